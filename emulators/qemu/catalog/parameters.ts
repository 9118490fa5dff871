import { atLeast, isPresent, type Lifetime, type Version } from "./version.ts";

type Kind = "int" | "bool" | "enum" | "strOrNull" | "bitmapMapping" | "strList";

type ParameterSpec = Lifetime & {
  readonly name: string;
  readonly kind: Kind;
  /** Undefined: absent from query-migrate-parameters until set once. */
  readonly initial: unknown;
  readonly min?: number;
  readonly max?: bigint | number;
  /** The C type that a number must fit before its range is checked. */
  readonly storage?: "uint8_t" | "uint32_t" | "uint64";
  /** End of the error text for a number out of range. */
  readonly rule?: string;
  readonly values?: (version: Version) => readonly string[];
};

const UINT64_MAX = 18446744073709551615n;
const between = (min: number, max: number): string => `expects a value between ${min} and ${max}`;
const within = (min: number | string, max: number | string): string =>
  `expects an integer in the range of ${min} to ${max}`;

/** Values as observed on QEMU 7.2, 10.0 and 11.1 (QAPI schema, migration.json); texts of 10.0. */
const parameters: readonly ParameterSpec[] = [
  int("announce-initial", 50, { max: 100000, storage: "uint64", rule: between(0, 100000) }),
  int("announce-max", 550, { max: 100000, storage: "uint64", rule: between(0, 100000) }),
  int("announce-rounds", 5, { max: 1000, storage: "uint64", rule: between(0, 1000) }),
  int("announce-step", 100, { min: 1, max: 10000, storage: "uint64", rule: between(0, 10000) }),
  int("throttle-trigger-threshold", 50, { min: 1, max: 100, rule: within(1, 100) }),
  int("cpu-throttle-initial", 20, { min: 1, max: 99, rule: within(1, 99) }),
  int("cpu-throttle-increment", 10, { min: 1, max: 99, rule: within(1, 99) }),
  { name: "cpu-throttle-tailslow", kind: "bool", initial: false },
  { name: "tls-creds", kind: "strOrNull", initial: "" },
  { name: "tls-hostname", kind: "strOrNull", initial: "" },
  { name: "tls-authz", kind: "strOrNull", initial: "" },
  size("max-bandwidth", 134217728),
  { ...size("avail-switchover-bandwidth", 0), since: "8.2" },
  int("downtime-limit", 300, {
    max: 2000000,
    storage: "uint64",
    rule: within(0, "(2000 * 1000) ms"),
  }),
  int("x-checkpoint-delay", 20000, { max: 4294967295, storage: "uint32_t" }),
  int("multifd-channels", 2, { min: 1, max: 255, rule: between(1, 255) }),
  {
    ...size("xbzrle-cache-size", 67108864),
    min: 4096,
    rule: "expects a power of two no less than the target page size",
  },
  size("max-postcopy-bandwidth", 0),
  int("max-cpu-throttle", 99, { max: 99, rule: within("cpu_throttle_initial", 99) }),
  {
    name: "multifd-compression",
    kind: "enum",
    initial: "none",
    values: () => ["none", "zlib", "zstd"],
  },
  int("multifd-zlib-level", 1, { max: 9, rule: between(0, 9) }),
  int("multifd-zstd-level", 1, { max: 20, rule: between(0, 20) }),
  { ...int("multifd-qatzip-level", 1, { min: 1, max: 9, rule: between(1, 9) }), since: "9.2" },
  { name: "block-bitmap-mapping", kind: "bitmapMapping", initial: undefined },
  {
    ...int("x-vcpu-dirty-limit-period", 1000, {
      min: 1,
      max: 1000,
      storage: "uint64",
      rule: between(1, 1000),
    }),
    since: "8.1",
  },
  {
    ...int("vcpu-dirty-limit", 1, {
      min: 1,
      max: UINT64_MAX,
      storage: "uint64",
      rule: "must be greater than 1 MB/s",
    }),
    since: "8.1",
  },
  { name: "mode", kind: "enum", initial: "normal", values: listModes, since: "8.2" },
  {
    name: "zero-page-detection",
    kind: "enum",
    initial: "multifd",
    values: () => ["none", "legacy", "multifd"],
    since: "9.0",
  },
  { name: "direct-io", kind: "bool", initial: false, since: "9.1" },
  { name: "cpr-exec-command", kind: "strList", initial: [], since: "10.2" },
  {
    ...int("x-rdma-chunk-size", 1048576, {
      min: 1048576,
      max: 1073741824,
      storage: "uint64",
      rule: between(1048576, 1073741824),
    }),
    since: "11.1",
  },
  { ...int("compress-level", 1, { max: 9, rule: between(0, 9) }), removed: "9.1" },
  { ...int("compress-threads", 8, { min: 1, max: 255, rule: between(1, 255) }), removed: "9.1" },
  { name: "compress-wait-thread", kind: "bool", initial: true, removed: "9.1" },
  { ...int("decompress-threads", 2, { min: 1, max: 255, rule: between(1, 255) }), removed: "9.1" },
  { name: "block-incremental", kind: "bool", initial: false, removed: "9.1" },
];

/** Migration parameters by QEMU's names. Numbers beyond 2^53 are bigint. */
export type Parameters = Record<string, unknown>;

/** The name, the kind and (for an enum) the values of each parameter of `version`. */
export function listParameters(
  version: Version,
): Array<{ name: string; kind: Kind; values: readonly string[] }> {
  return parameters
    .filter((spec) => isPresent(version, spec))
    .map((spec) => ({ name: spec.name, kind: spec.kind, values: spec.values?.(version) ?? [] }));
}

/** What a fresh process of `version` answers to query-migrate-parameters. */
export function defaultParameters(version: Version): Parameters {
  const present = parameters.filter(
    (spec) => isPresent(version, spec) && spec.initial !== undefined,
  );
  return Object.fromEntries(present.map((spec) => [spec.name, spec.initial]));
}

/**
 * migrate-set-parameters: the new set, or QEMU's text about the first thing that is wrong.
 * Nothing of a refused change is applied.
 */
export function changeParameters(
  version: Version,
  current: Parameters,
  changes: Parameters,
): { parameters: Parameters } | { error: string } {
  const specs = parameters.filter((spec) => isPresent(version, spec));
  const next = { ...current };
  for (const [name, value] of Object.entries(changes)) {
    const spec = specs.find((entry) => entry.name === name);
    if (!spec) return { error: `Parameter '${name}' is unexpected` };
    const error = checkType(version, spec, value);
    if (error) return { error };
    next[name] = toStored(spec, value);
  }
  const names = Object.keys(changes);
  // Each of the two bounds the other.
  if (names.includes("cpu-throttle-initial")) names.push("max-cpu-throttle");
  for (const name of names) {
    const spec = specs.find((entry) => entry.name === name);
    const error = spec && checkRange(version, spec, next);
    if (error) return { error };
  }
  return { parameters: forgetIgnored(version, next) };
}

function int(
  name: string,
  initial: number,
  limits: Pick<ParameterSpec, "min" | "max" | "storage" | "rule">,
): ParameterSpec {
  return { name, kind: "int", initial, min: 0, storage: "uint8_t", ...limits };
}

function size(name: string, initial: number): ParameterSpec {
  return int(name, initial, { max: UINT64_MAX, storage: "uint64" });
}

function listModes(version: Version): string[] {
  const modes = ["normal", "cpr-reboot"];
  if (atLeast(version, "10.0")) modes.push("cpr-transfer");
  if (atLeast(version, "10.2")) modes.push("cpr-exec");
  return modes;
}

function checkType(version: Version, spec: ParameterSpec, value: unknown): string | undefined {
  const wrongType = (expected: string): string =>
    `Invalid parameter type for '${spec.name}', expected: ${expected}`;
  switch (spec.kind) {
    case "bool":
      return typeof value === "boolean" ? undefined : wrongType("boolean");
    case "enum":
      if (typeof value !== "string") return wrongType("string");
      if (spec.values?.(version).includes(value)) return undefined;
      return `Parameter '${spec.name}' does not accept value '${value}'`;
    case "strOrNull":
      return typeof value === "string" || value === null ? undefined : wrongType("StrOrNull");
    case "bitmapMapping":
    case "strList":
      return Array.isArray(value) ? undefined : wrongType("array");
    case "int":
      return fitsStorage(spec, value)
        ? undefined
        : `Parameter '${spec.name}' expects ${spec.storage}`;
  }
}

function fitsStorage(spec: ParameterSpec, value: unknown): boolean {
  if (typeof value !== "bigint" && !Number.isInteger(value)) return false;
  const number = BigInt(value as number | bigint);
  if (spec.storage === "uint8_t") return number >= 0n && number <= 255n;
  if (spec.storage === "uint32_t") return number >= 0n && number <= 4294967295n;
  return number >= -9223372036854775808n && number <= UINT64_MAX;
}

/** Sizes wrap as C's uint64 does: -1 reads back as 2^64-1. */
function toStored(spec: ParameterSpec, value: unknown): unknown {
  if (spec.kind === "strOrNull") return value ?? "";
  if (spec.kind !== "int") return value;
  const number = BigInt.asUintN(64, BigInt(value as number | bigint));
  return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : number;
}

function checkRange(version: Version, spec: ParameterSpec, next: Parameters): string | undefined {
  if (spec.kind !== "int" || isIgnored(version, spec.name)) return undefined;
  const value = BigInt(next[spec.name] as number | bigint);
  const min = BigInt(
    spec.name === "max-cpu-throttle" ? Number(next["cpu-throttle-initial"]) : (spec.min ?? 0),
  );
  const isPowerOfTwo = value > 0n && (value & (value - 1n)) === 0n;
  const mustBePower = spec.name === "xbzrle-cache-size" || spec.name === "x-rdma-chunk-size";
  const isFine =
    value >= min && value <= BigInt(spec.max ?? UINT64_MAX) && (isPowerOfTwo || !mustBePower);
  if (isFine) return undefined;
  // 11.x counts the parameters among its options, and writes their names as they are.
  if (atLeast(version, "11.0")) {
    const noun =
      spec.name === "vcpu-dirty-limit" ? "Parameter 'vcpu-dirty-limit'" : `Option ${spec.name}`;
    return `${noun} ${spec.rule?.replaceAll("_", "-")}`;
  }
  const name = spec.name.startsWith("x-") ? spec.name : spec.name.replaceAll("-", "_");
  return `Parameter '${name}' ${spec.rule}`;
}

/** 7.2 takes any compression level and forgets it. */
function isIgnored(version: Version, name: string): boolean {
  return !atLeast(version, "8.0") && /^multifd-(zlib|zstd)-level$/.test(name);
}

function forgetIgnored(version: Version, next: Parameters): Parameters {
  const kept = { ...next };
  for (const name of Object.keys(kept)) if (isIgnored(version, name)) kept[name] = 1;
  return kept;
}
