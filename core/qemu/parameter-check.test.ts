import { describe, expect, it } from "vitest";
import { checkParameter } from "./parameter-check.ts";
import { parameters } from "./parameters.ts";

const UINT64_MAX = "18446744073709551615";

/** name, smallest, largest. */
const ranges: [string, number, number | string][] = [
  ["announce-initial", 0, 100_000],
  ["announce-max", 0, 100_000],
  ["announce-rounds", 0, 1000],
  ["announce-step", 1, 10_000],
  ["throttle-trigger-threshold", 1, 100],
  ["cpu-throttle-initial", 1, 99],
  ["cpu-throttle-increment", 1, 99],
  ["max-cpu-throttle", 1, 99],
  ["max-bandwidth", 0, UINT64_MAX],
  ["max-postcopy-bandwidth", 0, UINT64_MAX],
  ["avail-switchover-bandwidth", 1000, UINT64_MAX],
  ["downtime-limit", 1, 2_000_000],
  ["multifd-channels", 1, 255],
  ["xbzrle-cache-size", 4096, 2 ** 46],
  ["multifd-zlib-level", 0, 9],
  ["multifd-zstd-level", 0, 20],
  ["multifd-qatzip-level", 1, 9],
  ["vcpu-dirty-limit", 1, 2 ** 43],
  ["x-vcpu-dirty-limit-period", 1, 1000],
];

describe.each(ranges)("%s", (name, min, max) => {
  it.each([min, max])("may be %s", (value) => {
    expect(checkParameter(name, value)).toEqual({ ok: true, value });
  });

  it.each([
    min - 1 === 0 && name === "avail-switchover-bandwidth" ? 999 : min - 1,
    (BigInt(max) + 1n).toString(),
    -1,
    1.5,
    Number.NaN,
    2 ** 60,
    "",
    "many",
    "0x10",
    true,
    null,
  ])("may not be %s", (value) => {
    expect(checkParameter(name, value)).toMatchObject({
      ok: false,
      code: "invalid-parameter",
      message: expect.stringContaining(`\`${name}\``),
    });
  });
});

it("text of digits becomes a number where that is exact", () => {
  expect(checkParameter("max-bandwidth", "1000")).toEqual({ ok: true, value: 1000 });
  expect(checkParameter("max-bandwidth", "9007199254740993")).toEqual({
    ok: true,
    value: "9007199254740993",
  });
});

it("xbzrle-cache-size is a power of two", () => {
  expect(checkParameter("xbzrle-cache-size", 65_536)).toMatchObject({ ok: true });
  expect(checkParameter("xbzrle-cache-size", 65_537)).toMatchObject({
    message:
      "Expected `xbzrle-cache-size` to be a power of two of 4096 to 70368744177664 B, got `65537` (number)",
  });
});

it("avail-switchover-bandwidth may be 0: QEMU measures it", () => {
  expect(checkParameter("avail-switchover-bandwidth", 0)).toEqual({ ok: true, value: 0 });
});

it.each([
  ["cpu-throttle-tailslow", true, true],
  ["tls-creds", "tls0", "tls0"],
  ["tls-creds", null, ""],
  ["tls-hostname", "host-1.example", "host-1.example"],
  ["tls-hostname", "fd00::1", "fd00::1"],
  ["multifd-compression", "zstd", "zstd"],
  ["mode", "normal", "normal"],
  ["zero-page-detection", "legacy", "legacy"],
])("%s may be %j and becomes %j", (name, value, normal) => {
  expect(checkParameter(name, value)).toEqual({ ok: true, value: normal });
});

it.each([
  [
    "cpu-throttle-tailslow",
    "true",
    "Expected `cpu-throttle-tailslow` to be a boolean, got `true` (string)",
  ],
  ["tls-creds", "../x", "Expected `tls-creds` to be the id of a QEMU object, got `../x` (string)"],
  ["tls-hostname", "a b", "Expected `tls-hostname` to be a host name, got `a b` (string)"],
  [
    "multifd-compression",
    "lz4",
    "Expected `multifd-compression` to be one of none, zlib, zstd, qpl, uadk, qatzip, got `lz4` (string)",
  ],
  [
    "multifd-channels",
    0,
    "Expected `multifd-channels` to be an integer of 1 to 255 connections, got `0` (number)",
  ],
])("%s may not be %j", (name, value, message) => {
  expect(checkParameter(name, value)).toMatchObject({ ok: false, message });
});

it.each(["cpr-reboot", "cpr-transfer", "cpr-exec"])("mode may not be %s", (value) => {
  expect(checkParameter("mode", value)).toMatchObject({ ok: false, code: "unusable-parameter" });
});

it.each([
  "direct-io",
  "x-rdma-chunk-size",
  "x-checkpoint-delay",
  "cpr-exec-command",
  "block-bitmap-mapping",
  "compress-level",
  "compress-threads",
  "compress-wait-thread",
  "decompress-threads",
  "block-incremental",
])("%s cannot be set for a live migration", (name) => {
  expect(checkParameter(name, 1)).toMatchObject({ ok: false, code: "unusable-parameter" });
});

it.each(["", "downtime_limit", "constructor", "__proto__"])("`%s` is no parameter", (name) => {
  expect(checkParameter(name, 1)).toMatchObject({ ok: false, code: "unknown-parameter" });
});

it("each value that is set by default passes its own check", () => {
  for (const { name, refusal, ours, default: value } of parameters) {
    if (refusal) continue;
    expect(checkParameter(name, value), name).toEqual({ ok: true, value });
    if (ours)
      expect(checkParameter(name, ours.value), name).toEqual({ ok: true, value: ours.value });
  }
});
