import { describe, expect, it } from "vitest";
import { figure, integer, parseJson, stringifyJson, toSafeNumber } from "./integer.ts";

describe("parseJson", () => {
  it.each([
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", 9007199254740992n],
    ["-9007199254740993", -9007199254740993n],
    ["9223372036854775807", 9223372036854775807n],
    ["18446744073709551615", 18446744073709551615n],
    ["0.1234567890123456", 0.1234567890123456],
    ["1234567890123456000e3", 1.234567890123456e21],
    ['"18446744073709551615"', "18446744073709551615"],
    ["0", 0],
    ["-1", -1],
  ])("reads %s without loss", (text, value) => {
    expect(parseJson(`{"a": [${text}]}`)).toEqual({ a: [value] });
  });

  it("throws SyntaxError on both ways", () => {
    expect(() => parseJson("{")).toThrow(SyntaxError);
    expect(() => parseJson('{"a": 18446744073709551615')).toThrow(SyntaxError);
  });
});

describe("stringifyJson", () => {
  it("writes back what parseJson read", () => {
    const text = '{"a":18446744073709551615,"b":[-9223372036854775808,1],"c":"7"}';
    expect(stringifyJson(parseJson(text))).toBe(text);
  });
});

describe("schemas", () => {
  it("figure clamps, integer keeps", () => {
    expect(figure.parse(2n ** 63n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(figure.parse(12)).toBe(12);
    expect(integer.parse(2n ** 64n - 1n)).toBe(2n ** 64n - 1n);
    expect(toSafeNumber(-(2n ** 63n))).toBe(Number.MIN_SAFE_INTEGER);
  });
});
