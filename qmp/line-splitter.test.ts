import { describe, expect, it } from "vitest";
import { QmpProtocolError } from "./error.ts";
import { LineSplitter } from "./line-splitter.ts";
import { createRandom, cutRandomly } from "./testing/random.ts";

function split(chunks: readonly (string | Buffer)[], lineBytesMax = 1_000): string[] {
  const splitter = new LineSplitter(lineBytesMax);
  return chunks.flatMap((chunk) =>
    [...splitter.push(Buffer.from(chunk))].map((line) => line.toString()),
  );
}

describe("LineSplitter", () => {
  it.each([
    ["one line", ["a\n"], ["a"]],
    ["many lines in one chunk", ["a\nb\nc\n"], ["a", "b", "c"]],
    ["a line in many chunks", ["a", "b", "", "c\nd"], ["abc"]],
    ["a line feed of its own", ["a", "\n", "b\n"], ["a", "b"]],
    ["empty lines, dropped", ["\n\na\n\n"], ["a"]],
    ["carriage returns, kept", ["a\r\n"], ["a\r"]],
    ["no line yet", ["abc"], []],
  ])("cuts %s", (_what, chunks, lines) => {
    expect(split(chunks)).toEqual(lines);
  });

  it("keeps a character that is split between chunks", () => {
    const bytes = Buffer.from("zażółć 🐢\n");
    expect(split([...bytes].map((byte) => Buffer.from([byte])))).toEqual(["zażółć 🐢"]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("yields the same lines however it is cut (seed %i)", (seed) => {
    const random = createRandom(seed);
    const lines = Array.from({ length: 300 }, (_, index) =>
      `${index}:${"ü🐢x".repeat(random(20))}`.padEnd(random(200), "-"),
    );
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    expect(split(cutRandomly(bytes, random, 1 + random(400)))).toEqual(lines);
  });

  it("knows whether it is in the middle of a line", () => {
    const splitter = new LineSplitter(10);
    expect([...splitter.push(Buffer.from("ab"))]).toEqual([]);
    expect(splitter.isMidLine).toBe(true);
    expect([...splitter.push(Buffer.from("c\n"))]).toHaveLength(1);
    expect(splitter.isMidLine).toBe(false);
  });

  it.each([
    ["in one chunk", ["0123456789x\n"]],
    ["without an end", ["01234", "56789", "x"]],
    ["whose end comes late", ["0123456789", "x\n"]],
  ])("refuses a line that is too long, %s", (_what, chunks) => {
    expect(() => split(chunks, 10)).toThrow(QmpProtocolError);
    expect(split(["0123456789\n"], 10)).toEqual(["0123456789"]);
  });
});
