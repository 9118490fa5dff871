import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeShortFolder } from "./short-folder.ts";

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "sy-short-"));
  vi.stubEnv("TMPDIR", parent);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(parent, { recursive: true, force: true });
});

it("makes a folder that nobody else has, and says when there is none", () => {
  expect(makeShortFolder("s")).toBe(join(parent, "s0"));
  expect(makeShortFolder("s")).toBe(join(parent, "s1"));
  expect(statSync(join(parent, "s1")).mode & 0o777).toBe(0o700);
  while (!existsSync(join(parent, "s99"))) makeShortFolder("s");
  expect(() => makeShortFolder("s")).toThrow(/Remove the folders .*s0/);
});

it("passes other errors on", () => {
  rmSync(parent, { recursive: true });
  expect(() => makeShortFolder("s")).toThrow(/ENOENT/);
});
