import { describe, expect, it } from "vitest";
import { createTextSplitter, fromText, toText } from "./text.ts";

describe("QMP text", () => {
  it.each([
    [{ a: 1, b: [true, null, "x"] }, '{"a": 1, "b": [true, null, "x"]}'],
    [{ n: 18446744073709551615n }, '{"n": 18446744073709551615}'],
    [{ text: "é\n" }, '{"text": "\\u00E9\\n"}'],
    [{ gone: undefined }, "{}"],
  ])("writes case %# as QEMU does: %s", (value, text) => {
    expect(toText(value)).toBe(text);
  });

  it("reads integers beyond 2^53 in full", () => {
    expect(fromText('{"n": 18446744073709551615, "m": 5}')).toEqual({
      n: 18446744073709551615n,
      m: 5,
    });
  });

  it.each([
    [['{"a":1}{"b":2}'], ['{"a":1}', '{"b":2}']],
    [['{"a":', '"}"}\n'], ['{"a":"}"}']],
    [['{"a":"\\""}'], ['{"a":"\\""}']],
    [
      ["garbage\n", "[1]"],
      ["garbage", "[1]"],
    ],
  ])("cuts %j into messages", (chunks, messages) => {
    const seen: string[] = [];
    const feed = createTextSplitter((text) => seen.push(text));
    for (const chunk of chunks) feed(chunk);
    expect(seen).toEqual(messages);
  });
});
