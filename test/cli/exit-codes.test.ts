import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../cli/exit/exit-codes.ts";
import { exitOfProblem } from "../../cli/exit/exit-of.ts";
import { problemKinds } from "../../functions/http/problem-codes.ts";

const page = readFileSync(new URL("../../docs/reference/exit-codes.md", import.meta.url), "utf8");

const [contract = ""] = page.split("\n## ");

describe("the page of exit codes", () => {
  it("lists every exit code with its meaning, and no other", () => {
    const rows = [...contract.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, meaning]) => ({
      code: Number(code),
      meaning,
    }));
    expect(rows).toEqual(Object.values(exitCodes));
  });

  it("has the exit of every code that the API refuses with", () => {
    const byStatus = new Map(
      [...page.matchAll(/^\| (\d{3}(?:, \d{3})*) \| (\d+) \|$/gm)].flatMap(([, list = "", exit]) =>
        list.split(", ").map((status) => [Number(status), Number(exit)] as const),
      ),
    );
    const byCode = new Map(
      [...page.matchAll(/^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \| (\d+)/gm)].flatMap(
        ([, list = "", exit]) =>
          [...list.matchAll(/`([a-z-]+)`/g)].map(([, code = ""]) => [code, Number(exit)] as const),
      ),
    );
    for (const [code, { status }] of Object.entries(problemKinds)) {
      const expected = byCode.get(code) ?? byStatus.get(status);
      expect([code, exitCodes[exitOfProblem(status, code)].code]).toEqual([code, expected]);
    }
    expect([...byCode.keys()].filter((code) => !(code in problemKinds))).toEqual([]);
  });
});
