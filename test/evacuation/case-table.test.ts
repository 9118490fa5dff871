import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** Each of them is in the table once. */
const cases = [
  1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 15, 17, 19, 21, 22, 23, 25, 26, 27, 29, 31, 32, 35, 36,
  38, 39, 41, 42, 44, 45, 46, 49,
];

const table = readFileSync(join(ROOT, "docs/internals/evacuation-cases.md"), "utf8");
const rows = table.split("\n").flatMap((line) => {
  const [, number = "", , tests = ""] = line.split("|").map((cell) => cell.trim());
  return /^\d+$/.test(number) ? [{ number: Number(number), tests }] : [];
});

it("the table of acceptance cases has each case once", () => {
  expect(rows.map(({ number }) => number)).toEqual(cases);
});

it.each(rows)("case $number has tests of the names that the table gives", ({ tests }) => {
  const named = [...tests.matchAll(/`([^`]+)` "([^"]+)"/g)];
  expect(named.length).toBeGreaterThan(0);
  for (const [, file = "", title = ""] of named) {
    const path = join(ROOT, file);
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    expect(text, `${file} has a test named ${title}`).toContain(title);
  }
});
