import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CLI_REFERENCE, cliReference } from "../../scripts/cli-reference.ts";

describe("the page of commands", () => {
  it("is what `npm run docs:cli` writes", () => {
    const page = readFileSync(new URL(`../../${CLI_REFERENCE}`, import.meta.url), "utf8");
    expect(page).toBe(cliReference());
  });
});
