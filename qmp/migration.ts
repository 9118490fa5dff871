import * as z from "zod";
import { figure, integer, type QmpInteger } from "./integer.ts";

/** Statuses known from QEMU 7.2 to 11.1, roughly in order. An unknown one means "in progress". */
export const migrationStatuses = [
  "none",
  "setup",
  "wait-unplug",
  "active",
  "colo",
  "pre-switchover",
  "device",
  "postcopy-device", // 10.2+
  "postcopy-active",
  "postcopy-paused",
  "postcopy-recover-setup", // 9.1+
  "postcopy-recover",
  "cancelling",
  "failing", // 11.0+, not terminal: clean-up goes on until "failed"
  "cancelled",
  "completed",
  "failed",
] as const;
export type MigrationStatus = (typeof migrationStatuses)[number] | (string & {});

const status = z.string().transform((value): MigrationStatus => value);
const optionalFigure = figure.optional();

/** Members of `ram`: bytes unless said. `remaining` is real only while the migration runs. */
export const MigrationRam = z.looseObject({
  transferred: figure,
  remaining: figure,
  total: figure,
  /** Pages. */
  duplicate: optionalFigure,
  normal: optionalFigure,
  "normal-bytes": optionalFigure,
  /** Pages per second. */
  "dirty-pages-rate": optionalFigure,
  /** Mbit/s. Frozen at its last value while a link stalls. */
  mbps: z.number().optional(),
  "dirty-sync-count": optionalFigure,
  "postcopy-requests": optionalFigure,
  "page-size": optionalFigure,
  "multifd-bytes": optionalFigure,
  "pages-per-second": optionalFigure,
  "precopy-bytes": optionalFigure,
  "downtime-bytes": optionalFigure,
  "postcopy-bytes": optionalFigure,
});
export type MigrationRam = z.infer<typeof MigrationRam>;

/** An address QEMU listens on; `port` is text and real also after `tcp:host:0`. */
export const SocketAddress = z.looseObject({
  type: z.string(),
  host: z.string().optional(),
  port: z.string().optional(),
  path: z.string().optional(),
});
export type SocketAddress = z.infer<typeof SocketAddress>;

/**
 * `query-migrate`. Empty before the first migration; times in milliseconds. Read `error-desc` also
 * while the status is `active` or `pre-switchover`: since 10.0 it may be set there.
 */
export const MigrationInfo = z.looseObject({
  status: status.optional(),
  "error-desc": z.string().optional(),
  "total-time": optionalFigure,
  "setup-time": optionalFigure,
  /** `Number.MAX_SAFE_INTEGER` for 2^63-1: no bandwidth. */
  "expected-downtime": optionalFigure,
  /** STOP to end, measured on the source, including the wait in pre-switchover. */
  downtime: optionalFigure,
  /** Bytes, RAM and devices; 11.1+. */
  remaining: optionalFigure,
  ram: MigrationRam.optional(),
  /** Present only if there are VFIO devices and all can migrate. Bytes. */
  vfio: z.looseObject({ transferred: figure }).optional(),
  "cpu-throttle-percentage": optionalFigure,
  /** Microseconds, 8.1+. */
  "dirty-limit-throttle-time-per-round": optionalFigure,
  "dirty-limit-ring-full-time": optionalFigure,
  "blocked-reasons": z.array(z.string()).optional(),
  "postcopy-blocktime": optionalFigure,
  "socket-address": z.array(SocketAddress).optional(),
});
export type MigrationInfo = z.infer<typeof MigrationInfo>;

export const MigrationCapability = z.looseObject({ capability: z.string(), state: z.boolean() });
export type MigrationCapability = z.infer<typeof MigrationCapability>;

/**
 * `query-migrate-parameters`: all but `block-bitmap-mapping`, as far as this QEMU knows them. Integers
 * stay lossless because they may be written back.
 */
export const MigrationParameters = z.looseObject({
  "downtime-limit": integer.optional(),
  "max-bandwidth": integer.optional(),
  "avail-switchover-bandwidth": integer.optional(),
  "max-postcopy-bandwidth": integer.optional(),
  "multifd-channels": z.number().optional(),
  "multifd-compression": z.string().optional(),
  "tls-creds": z.string().optional(),
  "tls-hostname": z.string().optional(),
  "tls-authz": z.string().optional(),
  mode: z.string().optional(),
});
export type MigrationParameters = z.infer<typeof MigrationParameters>;

/** `migrate-set-parameters`; limits and versions beside each. QEMU refuses the whole call on one error. */
export type MigrationParametersUpdate = {
  /** Milliseconds, 0..2,000,000; default 300. */
  readonly "downtime-limit"?: number;
  /** Bytes per second, 0 = unlimited; default 134,217,728. */
  readonly "max-bandwidth"?: QmpInteger;
  /** Bytes per second, 0 = measure; 8.2+. */
  readonly "avail-switchover-bandwidth"?: QmpInteger;
  /** Bytes per second, 0 = unlimited. */
  readonly "max-postcopy-bandwidth"?: QmpInteger;
  /** 1..255, equal on both sides or the migration hangs; default 2. */
  readonly "multifd-channels"?: number;
  readonly "multifd-compression"?: string;
  readonly "multifd-zlib-level"?: number;
  readonly "multifd-zstd-level"?: number;
  readonly "multifd-qatzip-level"?: number;
  /** Bytes, a power of two. */
  readonly "xbzrle-cache-size"?: QmpInteger;
  /** Per cent. */
  readonly "throttle-trigger-threshold"?: number;
  readonly "cpu-throttle-initial"?: number;
  readonly "cpu-throttle-increment"?: number;
  readonly "max-cpu-throttle"?: number;
  readonly "cpu-throttle-tailslow"?: boolean;
  /** MB/s, 8.1+. */
  readonly "vcpu-dirty-limit"?: number;
  /** Milliseconds, 1..1,000; 8.1+. */
  readonly "x-vcpu-dirty-limit-period"?: number;
  /** Milliseconds but for `rounds`; on the target. */
  readonly "announce-initial"?: number;
  readonly "announce-max"?: number;
  readonly "announce-rounds"?: number;
  readonly "announce-step"?: number;
  /** null or "" turns it off. */
  readonly "tls-creds"?: string | null;
  readonly "tls-hostname"?: string | null;
  readonly "tls-authz"?: string | null;
  readonly "block-bitmap-mapping"?: readonly object[];
  /** 9.0+. */
  readonly "zero-page-detection"?: string;
  /** 9.1+. */
  readonly "direct-io"?: boolean;
  /** 8.2+. */
  readonly mode?: string;
  readonly "x-checkpoint-delay"?: number;
};

/** Exactly one of the two; `channels` needs 8.2+. */
export type MigrationEndpoint =
  | { readonly uri: string; readonly channels?: never }
  | { readonly channels: readonly MigrationChannel[]; readonly uri?: never };

export type MigrationChannel = {
  readonly "channel-type": "main" | "cpr";
  readonly addr: { readonly transport: string; readonly [member: string]: unknown };
};
