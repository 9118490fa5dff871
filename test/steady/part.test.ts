import { expect, it } from "vitest";
import { parsePart, partOf } from "./part.ts";

const files = ["a", "b", "c", "d", "e"];

it("is all files when none is named", () => {
  expect(partOf(files, undefined)).toEqual(files);
});

it.each([1, 2, 4, 7])("%i parts together have each file once", (n) => {
  const parts = Array.from({ length: n }, (_, at) => partOf(files, parsePart(`${at + 1}/${n}`)));
  expect(parts.flat().sort()).toEqual(files);
});

it.each(["", "1", "0/4", "5/4", "1/101", "a/b", "1/4/2"])("refuses `%s`", (text) => {
  expect(() => parsePart(text)).toThrow("Expected k/n");
});
