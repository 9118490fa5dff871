import { describe, expect, it } from "vitest";
import { changeLabels, Labels } from "./labels.ts";

describe("labels", () => {
  it("are set and removed one by one", () => {
    expect(changeLabels({ rack: "7", old: "x" }, { rack: "8", old: null, zone: "b" })).toEqual({
      rack: "8",
      zone: "b",
    });
  });

  it("are bounded in number", () => {
    const full = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`l${n}`, ""]));
    expect(changeLabels(full, { more: "" })).toBeUndefined();
    expect(changeLabels(full, { l0: null, more: "" })).toHaveProperty("more");
  });

  it.each(["", "-x", "a b", "x".repeat(64), "ä"])("have no name %j", (name) => {
    expect(Labels.safeParse({ [name]: "" }).success).toBe(false);
  });

  it.each(["rack", "topology.example.org/zone", "0", "A_b-c.d"])("may be named %s", (name) => {
    expect(Labels.safeParse({ [name]: "" }).success).toBe(true);
  });
});
