import type { Parameter } from "./parameter.ts";
import { unusableParameters } from "./unusable-parameters.ts";

const UINT64_MAX = 2n ** 64n - 1n;

const bytesPerSecond = { type: "integer", unit: "B/s", min: 0, max: UINT64_MAX } as const;
const percent = { type: "integer", unit: "%", min: 1, max: 99 } as const;
const onSource = { side: "source", mustMatch: false } as const;
const onTarget = { side: "target", mustMatch: false } as const;
const onBoth = { side: "both", mustMatch: true } as const;
const text = { type: "text", unit: "name", default: "" } as const;

/** QEMU's parameters that have an effect when a guest migrates over the network. */
const usable: readonly Parameter[] = [
  {
    name: "announce-initial",
    since: "4.0",
    ...onTarget,
    type: "integer",
    unit: "ms",
    min: 0,
    max: 100_000,
    default: 50,
  },
  {
    name: "announce-max",
    since: "4.0",
    ...onTarget,
    type: "integer",
    unit: "ms",
    min: 0,
    max: 100_000,
    default: 550,
  },
  {
    name: "announce-rounds",
    since: "4.0",
    ...onTarget,
    type: "integer",
    unit: "packets",
    min: 0,
    max: 1000,
    default: 5,
  },
  {
    name: "announce-step",
    since: "4.0",
    ...onTarget,
    type: "integer",
    unit: "ms",
    min: 1,
    max: 10_000,
    default: 100,
  },
  {
    name: "throttle-trigger-threshold",
    since: "5.0",
    ...onSource,
    ...percent,
    max: 100,
    default: 50,
    tunes: "auto-converge",
  },
  {
    name: "cpu-throttle-initial",
    since: "2.7",
    ...onSource,
    ...percent,
    default: 20,
    tunes: "auto-converge",
  },
  {
    name: "cpu-throttle-increment",
    since: "2.7",
    ...onSource,
    ...percent,
    default: 10,
    tunes: "auto-converge",
  },
  {
    name: "cpu-throttle-tailslow",
    since: "5.1",
    ...onSource,
    type: "boolean",
    unit: "true or false",
    default: false,
    tunes: "auto-converge",
  },
  {
    name: "max-cpu-throttle",
    since: "3.1",
    ...onSource,
    ...percent,
    default: 99,
    tunes: "auto-converge",
  },
  { name: "tls-creds", since: "2.7", ...onBoth, ...text },
  { name: "tls-hostname", since: "2.7", ...onSource, ...text },
  { name: "tls-authz", since: "4.0", ...onTarget, ...text },
  {
    name: "max-bandwidth",
    since: "2.8",
    ...onSource,
    ...bytesPerSecond,
    default: 134_217_728,
    ours: {
      value: 0,
      reason: "unlimited: QEMU's default of 128 MiB/s uses little of a fast link",
    },
  },
  {
    name: "avail-switchover-bandwidth",
    since: "8.2",
    ...onSource,
    ...bytesPerSecond,
    default: 0,
    trap: {
      from: 1,
      to: 999,
      why: "QEMU 10.0 counts in thousands of bytes, so that it means no bandwidth at all",
    },
  },
  {
    name: "downtime-limit",
    since: "2.8",
    ...onSource,
    type: "integer",
    unit: "ms",
    min: 0,
    max: 2_000_000,
    default: 300,
    trap: {
      from: 0,
      to: 0,
      why: "QEMU 7.2 to 10.2 switch over after the first pass with everything dirty, however long that takes",
    },
  },
  {
    name: "multifd-channels",
    since: "4.0",
    ...onBoth,
    type: "integer",
    unit: "connections",
    min: 1,
    max: 255,
    default: 2,
    tunes: "multifd",
  },
  {
    name: "xbzrle-cache-size",
    since: "2.11",
    ...onSource,
    type: "integer",
    unit: "B",
    min: 4096,
    max: 2 ** 46,
    powerOfTwo: true,
    default: 67_108_864,
    tunes: "xbzrle",
  },
  {
    name: "max-postcopy-bandwidth",
    since: "3.0",
    ...onSource,
    ...bytesPerSecond,
    default: 0,
    tunes: "postcopy-ram",
  },
  {
    name: "multifd-compression",
    since: "5.0",
    ...onBoth,
    type: "enum",
    unit: "method",
    values: ["none", "zlib", "zstd", "qpl", "uadk", "qatzip"],
    default: "none",
    tunes: "multifd",
  },
  {
    name: "multifd-zlib-level",
    since: "5.0",
    side: "both",
    mustMatch: false,
    type: "integer",
    unit: "level",
    min: 0,
    max: 9,
    default: 1,
    tunes: "multifd",
  },
  {
    name: "multifd-zstd-level",
    since: "5.0",
    side: "both",
    mustMatch: false,
    type: "integer",
    unit: "level",
    min: 0,
    max: 20,
    default: 1,
    tunes: "multifd",
  },
  {
    name: "multifd-qatzip-level",
    since: "9.2",
    side: "both",
    mustMatch: false,
    type: "integer",
    unit: "level",
    min: 1,
    max: 9,
    default: 1,
    tunes: "multifd",
  },
  {
    name: "vcpu-dirty-limit",
    since: "8.1",
    ...onSource,
    type: "integer",
    unit: "MB/s",
    min: 1,
    max: 2 ** 43,
    default: 1,
    tunes: "dirty-limit",
  },
  {
    name: "x-vcpu-dirty-limit-period",
    since: "8.1",
    unstable: true,
    ...onSource,
    type: "integer",
    unit: "ms",
    min: 1,
    max: 1000,
    default: 1000,
    tunes: "dirty-limit",
  },
  {
    name: "mode",
    since: "8.2",
    ...onSource,
    type: "enum",
    unit: "mode",
    values: ["normal"],
    default: "normal",
  },
  {
    name: "zero-page-detection",
    since: "9.0",
    ...onSource,
    type: "enum",
    unit: "method",
    values: ["none", "legacy", "multifd"],
    default: "multifd",
  },
];

/** All of QEMU's migration parameters. */
export const parameters: readonly Parameter[] = [...usable, ...unusableParameters];

const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));

export function findParameter(name: string): Parameter | undefined {
  return byName.get(name);
}

/**
 * QEMU's default of a numeric parameter.
 *
 * @throws Error for a name that is no such parameter: a programming error
 */
export function defaultNumber(name: string): number {
  const value = findParameter(name)?.default;
  if (typeof value === "number") return value;
  throw new Error(`Expected the name of a numeric parameter of QEMU, got ${name}`);
}

/** QEMU's default of `downtime-limit`, ms. */
export const DOWNTIME_LIMIT_MS = defaultNumber("downtime-limit");
