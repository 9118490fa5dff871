import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { calledVerbs } from "../../cli/command-words.ts";
import { manOf } from "../../cli/man-page.ts";
import { nouns } from "../../cli/nouns.ts";

const BACKSPACE = "\b";
const page = manOf(nouns);
const groff = (...words: string[]) =>
  spawnSync("groff", ["-man", "-Tascii", "-P-c", ...words], { input: page, encoding: "utf8" });
const hasGroff = groff("-z").error === undefined;
const unlessGroff = hasGroff ? "" : " (skipped: groff is not installed)";

describe("the page for man", () => {
  it("has each command", () => {
    const heads = page.split("\n").filter((line) => line.startsWith(".SS "));
    expect(heads).toHaveLength(calledVerbs(nouns).length);
  });

  it.skipIf(!hasGroff)(`is set by groff without a warning${unlessGroff}`, () => {
    const { stdout, stderr, status } = groff("-ww");
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    // Bold letters are printed twice, with a backspace between them.
    const text = stdout.replaceAll(new RegExp(`.${BACKSPACE}`, "g"), "");
    for (const { words } of calledVerbs(nouns)) expect(text).toContain(`switchyard ${words}`);
  });
});
