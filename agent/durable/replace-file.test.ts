import { closeSync, mkdirSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { replaceAndOpen, replaceFile } from "./replace-file.ts";

it.each([false, true])("replaces a file whole, for its owner only; flush: %s", (flush) => {
  const folder = testFolder();
  const path = join(folder, "x");
  for (const text of ["a longer text", "", "short ü"]) {
    replaceFile(path, text, { flush });
    expect(readFileSync(path, "utf8")).toBe(text);
  }
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["x"]);
});

it("keeps the old file and removes the new one when it cannot be put in place", () => {
  const folder = testFolder();
  mkdirSync(join(folder, "x", "y"), { recursive: true });
  expect(() => replaceFile(join(folder, "x"), "text")).toThrow();
  expect(readdirSync(folder)).toEqual(["x"]);
  expect(() => replaceFile(join(folder, "nowhere", "x"), "text")).toThrow("ENOENT");
});

it("returns a descriptor that appends to the new file", () => {
  const path = join(testFolder(), "x");
  const descriptor = replaceAndOpen(path, "one\n");
  writeSync(descriptor, "two\n");
  closeSync(descriptor);
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
});
