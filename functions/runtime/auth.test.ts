import { describe, expect, it } from "vitest";
import { bearerMatches, hashSecret } from "./auth.ts";

describe("bearerMatches", () => {
  const hash = hashSecret("secret");

  it("accepts the secret with the known hash", () => {
    expect(bearerMatches("Bearer secret", hash)).toBe(true);
  });

  it.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "bearer secret",
    "Bearer secret ",
    "Bearer  secret",
    "Bearer Secret",
    `Bearer ${hash}`,
    "Basic secret",
  ])("refuses %j", (authorization) => {
    expect(bearerMatches(authorization, hash)).toBe(false);
  });

  it("refuses everything when the known hash is malformed", () => {
    expect(bearerMatches("Bearer secret", "")).toBe(false);
  });
});
