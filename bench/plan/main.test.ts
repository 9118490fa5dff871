import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { shapes } from "./fleets.ts";

const main = fileURLToPath(new URL("./main.ts", import.meta.url));

function run(...args: string[]): string {
  return execFileSync(process.execPath, [main, ...args], { encoding: "utf8", stdio: "pipe" });
}

it("the bench's quick slice exceeds no limit and places every VM, in each shape", () => {
  const last = run("--quick", "--json").trimEnd().split("\n").at(-1) ?? "";
  const { shapes: rows, cases, missed } = JSON.parse(last);
  const played = shapes.filter(({ hosts }) => hosts < 500).map(({ name }) => name);
  expect(new Set(rows.map(({ name }: { name: string }) => name))).toEqual(new Set(played));
  for (const row of rows) {
    expect(row).toMatchObject({ overshoots: 0, unplaced: 0, movesPerVm: 1, p99DowntimeRatio: 1 });
  }
  expect(cases).toMatchObject({ feasiblePlaced: 31, infeasibleRefused: 9 });
  expect(missed.filter((text: string) => text.startsWith("small evacuations"))).toEqual([]);
}, 120_000);

it.each([
  [["--seeds", "0"], "Expected --seeds to be a whole number from 1 to 1000, got 0"],
  [["--shape", "moon"], "Expected --shape to be part of a shape's name, got moon"],
])("the bench refuses %s and says what it expects", (args, message) => {
  expect(() => run(...args)).toThrow(message);
});
