import { describe, expect, it } from "vitest";
import { QmpProtocolError } from "./error.ts";
import { decodeMessage, encodeRequest } from "./message.ts";

const decode = (text: string) => decodeMessage(Buffer.from(text));
const version = { qemu: { major: 11, minor: 1, micro: 3 }, package: "" };

describe("decodeMessage", () => {
  it.each([
    [
      "a greeting",
      JSON.stringify({ QMP: { version, capabilities: ["oob"] } }),
      { kind: "greeting", greeting: { version, capabilities: ["oob"] } },
    ],
    ["an answer", '{"return": {}, "id": 3}\r', { kind: "return", id: 3, value: {} }],
    ["an answer without id", '{"return": 1}', { kind: "return", id: undefined, value: 1 }],
    [
      "an error",
      '{"id": 4, "error": {"class": "GenericError", "desc": "no"}}',
      { kind: "error", id: 4, class: "GenericError", desc: "no" },
    ],
    [
      "an event without data",
      '{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}',
      {
        kind: "event",
        event: { event: "STOP", data: {}, timestamp: { seconds: 1, microseconds: 2 } },
      },
    ],
  ])("reads %s", (_what, text, message) => {
    expect(decode(text)).toEqual(message);
  });

  it.each([
    ["text", "Welcome to the monitor"],
    ["half an object", '{"return": '],
    ["two objects on a line", '{"return": 1} {"return": 2}'],
    ["an array", "[]"],
    ["a scalar", "1"],
    ["null", "null"],
    ["an empty object", "{}"],
    ["an error without class", '{"error": {"desc": "x"}, "id": 1}'],
    ["an event without timestamp", '{"event": "STOP"}'],
    ["an event with a list as data", '{"event": "STOP", "timestamp": {}, "data": []}'],
    ["a greeting without version", '{"QMP": {"capabilities": []}}'],
  ])("refuses %s", (_what, text) => {
    expect(() => decode(text)).toThrow(QmpProtocolError);
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(() => decodeMessage(Buffer.from([0x22, 0xff, 0xfe, 0x22]))).toThrow(QmpProtocolError);
  });
});

describe("encodeRequest", () => {
  it("writes one line, without arguments that are not there", () => {
    expect(encodeRequest({ id: 1, command: "stop", oob: false })).toBe(
      '{"execute":"stop","id":1}\n',
    );
  });

  it("writes out-of-band requests and 64 bit integers", () => {
    const args = { "max-bandwidth": 2n ** 64n - 1n };
    expect(encodeRequest({ id: 2, command: "yank", arguments: args, oob: true })).toBe(
      '{"exec-oob":"yank","arguments":{"max-bandwidth":18446744073709551615},"id":2}\n',
    );
  });
});
