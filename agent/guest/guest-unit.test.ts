import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { launchScript } from "./guest-unit.ts";

it("the script becomes the program with exactly these arguments, and its output is appended", () => {
  const folder = testFolder();
  const output = join(folder, "it's an output.log");
  const args = [
    "$HOME",
    "%n%%",
    "it's",
    'a "b" \\',
    "new\nline",
    "*",
    "",
    "ü",
    "x".repeat(100_000),
  ];
  const program = ["-e", "process.stdout.write(JSON.stringify(process.argv.slice(1)))", "--"];
  const script = join(folder, "launch.sh");
  writeFileSync(output, "before ");
  writeFileSync(
    script,
    launchScript({ qemu: process.execPath, args: [...program, ...args], output }),
  );
  execFileSync("/bin/sh", [script], { stdio: "pipe" });
  const written = readFileSync(output, "utf8");
  expect(written.startsWith("before ")).toBe(true);
  expect(JSON.parse(written.slice("before ".length))).toEqual(args);
});
