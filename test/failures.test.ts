import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { failureCures } from "../core/migration/failures.ts";
import { CommandError } from "../core/protocol/command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** `code: "x"` of failures and blockers, `new Problem(409, "x"` and `problem("x"`. */
const CODE = /(?:\bcode: |new Problem\(\s*\d{3},\s*|\bproblem\()"([a-z0-9]+(?:-[a-z0-9]+)*)"/g;

const inCode = new Set([
  ...Object.keys(failureCures),
  ...CommandError.shape.code.options,
  ...sources().flatMap((path) => [...read(path).matchAll(CODE)].map((match) => String(match[1]))),
]);
const inDocs = new Set(
  [...read("docs/failures.md").matchAll(/`([a-z0-9]+(?:-[a-z0-9]+)*)`/g)].map((m) => String(m[1])),
);
/** Other words that the page sets as code. */
const NO_CODES = new Set([
  "failure",
  "state",
  "successor",
  "failed",
  "errors",
  "code",
  "post-copy",
]);

describe("docs/failures.md", () => {
  it("lists every code that the sources have", () => {
    expect([...inCode].filter((code) => !inDocs.has(code))).toEqual([]);
  });

  it("lists no code that the sources do not have", () => {
    expect([...inDocs].filter((code) => !inCode.has(code) && !NO_CODES.has(code))).toEqual([]);
  });
});

function sources(): string[] {
  const found = globSync("{core,functions}/**/*.ts", { cwd: root });
  return found.filter((path) => !/\.test\.ts$|\/testing\//.test(path));
}

function read(path: string): string {
  return readFileSync(`${root}/${path}`, "utf8");
}
