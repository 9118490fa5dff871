import { expect, it } from "vitest";
import { existsIn, isAtLeast, versionText } from "./version.ts";

const version = (major: number, minor: number, micro = 0) => ({ major, minor, micro, package: "" });

it.each([
  [version(10, 0), "9.2", true],
  [version(10, 0), "10.0", true],
  [version(10, 0, 9), "10.1", false],
  [version(10, 1), "10.0", true],
  [version(9, 10), "9.9", true],
  [version(9, 2), "10.0", false],
] as const)("%j is at least %s: %s", (one, release, expected) => {
  expect(isAtLeast(one, release)).toBe(expected);
});

it.each([
  [{}, version(1, 0), true],
  [{ since: "8.1" }, version(8, 0), false],
  [{ since: "8.1" }, version(8, 1), true],
  [{ removed: "9.1" }, version(9, 0), true],
  [{ removed: "9.1" }, version(9, 1), false],
  [{ since: "2.4", removed: "9.1" }, version(2, 3), false],
] as const)("%j exists in %j: %s", (lifetime, one, expected) => {
  expect(existsIn(lifetime, one)).toBe(expected);
});

it("a version is written with its three numbers", () => {
  expect(versionText(version(10, 0, 2))).toBe("10.0.2");
});
