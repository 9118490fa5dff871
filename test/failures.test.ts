import { existsSync, globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { failureCures } from "../core/migration/failures.ts";
import { CommandError } from "../core/protocol/command.ts";
import { problemKinds } from "../functions/http/problem-codes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const PAGE = ["docs/reference/failures.md", "docs/failures.md"].find((path) =>
  existsSync(`${root}/${path}`),
);

const page = read(PAGE ?? "docs/reference/failures.md");

/** `code: "x"` of failures and blockers. */
const CODE = /\bcode: "([a-z0-9]+(?:-[a-z0-9]+)*)"/g;

/** The word of zod for an issue that a schema adds itself. */
const ZOD_ISSUE = "custom";

const inCode = new Set([
  ...Object.keys(failureCures),
  ...Object.keys(problemKinds),
  ...CommandError.shape.code.options,
  ...sources()
    .flatMap((path) => [...read(path).matchAll(CODE)].map((match) => String(match[1])))
    .filter((code) => code !== ZOD_ISSUE),
]);
const inDocs = new Set(codesIn(page));
/** Words of the page in the same type that are no codes. */
const NO_CODES = new Set([
  "failure",
  "state",
  "successor",
  "failed",
  "errors",
  "code",
  "post-copy",
  "allow",
]);

describe("the page of failures", () => {
  it("lists every code that the sources have", () => {
    expect([...inCode].filter((code) => !inDocs.has(code))).toEqual([]);
  });

  it("lists no code that the sources do not have", () => {
    expect([...inDocs].filter((code) => !inCode.has(code) && !NO_CODES.has(code))).toEqual([]);
  });

  it("has the status of each problem that the API answers with", () => {
    const statuses = Object.entries(problemKinds).map(([code, { status }]) => [code, status]);
    expect(statusesInDocs()).toEqual(Object.fromEntries(statuses));
  });
});

describe("each code that the API refuses with", () => {
  it("is named by a test of what it is answered to", () => {
    const tests = globSync("{core,functions,test}/**/*.test.ts", { cwd: root })
      // They have lists of codes.
      .filter((path) => !/^test\/(cli\/|failures\.)/.test(path))
      .map(read);
    const untested = Object.keys(problemKinds).filter(
      (code) => !tests.some((text) => text.includes(`"${code}"`)),
    );
    expect(untested).toEqual([]);
  });
});

/** Rows such as `| 409 | `vm-locked`, `vm-exists` | what to do |`. */
function statusesInDocs(): Record<string, number> {
  const rows = [...page.matchAll(/^\| (\d{3}) \| ([^|]+) \|/gm)];
  return Object.fromEntries(
    rows.flatMap(([, status, codes = ""]) => codesIn(codes).map((code) => [code, Number(status)])),
  );
}

function codesIn(text: string): string[] {
  return [...text.matchAll(/`([a-z0-9]+(?:-[a-z0-9]+)*)`/g)].map((match) => String(match[1]));
}

function sources(): string[] {
  const found = globSync("{core,functions}/**/*.ts", { cwd: root });
  return found.filter((path) => !/\.test\.ts$|\/testing\/|\/examples\//.test(path));
}

function read(path: string): string {
  return readFileSync(`${root}/${path}`, "utf8");
}
