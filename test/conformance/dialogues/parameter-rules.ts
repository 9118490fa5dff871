import type { Json } from "../expectation.ts";
import { type Generation, since } from "../generation.ts";

type Parameter = {
  /** Absent in query-migrate-parameters until set once when undefined. */
  default?: Json;
  versions?: readonly Generation[];
  accepts?: readonly Json[];
  refuses?: readonly Json[];
};

const size = { accepts: [0, 1, 4_294_967_296] } as const;
const percent = { accepts: [1, 99], refuses: [0, 100] } as const;
const only72 = ["7.2"] as const;
const later = since("10.0");
const newest = since("11.1");

/** Names, defaults and limits of the migration parameters in each generation. */
const parameters: Record<string, Parameter> = {
  "announce-initial": { default: 50, accepts: [0, 100_000], refuses: [100_001] },
  "announce-max": { default: 550, accepts: [0, 100_000], refuses: [100_001] },
  "announce-rounds": { default: 5, accepts: [0, 1000], refuses: [1001] },
  "announce-step": { default: 100, accepts: [1, 10_000], refuses: [0, 10_001] },
  "avail-switchover-bandwidth": { default: 0, versions: later, ...size },
  "block-bitmap-mapping": { accepts: [[]] },
  "block-incremental": { default: false, versions: only72 },
  "compress-level": { default: 1, versions: only72, accepts: [0, 9], refuses: [10] },
  "compress-threads": { default: 8, versions: only72, accepts: [1, 255], refuses: [0] },
  "compress-wait-thread": { default: true, versions: only72 },
  "cpr-exec-command": { default: [], versions: newest },
  "cpu-throttle-increment": { default: 10, ...percent },
  "cpu-throttle-initial": { default: 20, ...percent },
  "cpu-throttle-tailslow": { default: false, accepts: [true, false], refuses: ["on"] },
  "decompress-threads": { default: 2, versions: only72, accepts: [1, 255], refuses: [0] },
  "direct-io": { default: false, versions: later, accepts: [true, false] },
  "downtime-limit": { default: 300, accepts: [0, 2_000_000], refuses: [2_000_001, "300"] },
  "max-bandwidth": { default: 134_217_728, ...size },
  "max-cpu-throttle": { default: 99, accepts: [99], refuses: [0, 100] },
  "max-postcopy-bandwidth": { default: 0, ...size },
  mode: {
    default: "normal",
    versions: later,
    accepts: ["cpr-reboot", "cpr-transfer", "normal"],
    refuses: ["fast"],
  },
  "multifd-channels": { default: 2, accepts: [1, 255], refuses: [0, 256] },
  "multifd-compression": { default: "none", accepts: ["zlib", "none"], refuses: ["lz4"] },
  "multifd-qatzip-level": { default: 1, versions: later, accepts: [1, 9], refuses: [0, 10] },
  "multifd-zlib-level": { default: 1, accepts: [0, 9] },
  "multifd-zstd-level": { default: 1, accepts: [0, 20] },
  "throttle-trigger-threshold": { default: 50, accepts: [1, 100], refuses: [0, 101] },
  "tls-authz": { default: "", accepts: ["nobody", ""] },
  "tls-creds": { default: "", accepts: ["nobody", ""] },
  "tls-hostname": { default: "", accepts: ["nobody", ""] },
  "vcpu-dirty-limit": { default: 1, versions: later, accepts: [1, 1000], refuses: [0] },
  "x-checkpoint-delay": { default: 20_000, accepts: [0, 4_294_967_295], refuses: [4_294_967_296] },
  "x-rdma-chunk-size": {
    default: 1_048_576,
    versions: newest,
    accepts: [1_048_576, 1_073_741_824],
    refuses: [1_048_575, 1_048_577, 2_147_483_648],
  },
  "x-vcpu-dirty-limit-period": {
    default: 1000,
    versions: later,
    accepts: [1, 1000],
    refuses: [0, 1001],
  },
  "xbzrle-cache-size": { default: 67_108_864, accepts: [4096, 67_108_864], refuses: [1, 4097] },
  "zero-page-detection": {
    default: "multifd",
    versions: later,
    accepts: ["none", "legacy", "multifd"],
    refuses: ["all"],
  },
};

export type KnownParameter = { name: string; accepts: readonly Json[]; refuses: readonly Json[] };

export function parametersOf(generation: Generation): KnownParameter[] {
  return Object.entries(parameters)
    .filter(([, { versions }]) => versions === undefined || versions.includes(generation))
    .map(([name, { accepts = [], refuses = [] }]) => ({ name, accepts, refuses }));
}

export function absentFrom(generation: Generation): string[] {
  const present = new Set(parametersOf(generation).map(({ name }) => name));
  return Object.keys(parameters).filter((name) => !present.has(name));
}

/** What query-migrate-parameters shows at the start. */
export function defaultsOf(generation: Generation): Record<string, Json> {
  const shown = parametersOf(generation).map(
    ({ name }) => [name, parameters[name]?.default] as const,
  );
  return Object.fromEntries(shown.filter(([, value]) => value !== undefined)) as Record<
    string,
    Json
  >;
}
