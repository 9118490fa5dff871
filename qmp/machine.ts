import * as z from "zod";
import { figure } from "./integer.ts";

/** `query-status`. `running` is false also while QEMU holds the guest in a switchover. */
export const StatusInfo = z.looseObject({ running: z.boolean(), status: z.string() });
export type StatusInfo = z.infer<typeof StatusInfo>;

export const CompatProperty = z.looseObject({
  "qom-type": z.string(),
  property: z.string(),
  value: z.string(),
});

export const MachineInfo = z.looseObject({
  name: z.string(),
  alias: z.string().optional(),
  "is-default": z.boolean().optional(),
  "cpu-max": figure,
  deprecated: z.boolean().optional(),
  "default-cpu-type": z.string().optional(),
  /** Only with the argument `compat-props: true`, 9.1+. */
  "compat-props": z.array(CompatProperty).optional(),
});
export type MachineInfo = z.infer<typeof MachineInfo>;

/** Bytes. */
export const MemorySizeSummary = z.looseObject({
  "base-memory": figure,
  "plugged-memory": figure.optional(),
});
export type MemorySizeSummary = z.infer<typeof MemorySizeSummary>;

export const MemoryDevice = z.looseObject({ type: z.string(), data: z.looseObject({}) });
export type MemoryDevice = z.infer<typeof MemoryDevice>;

export const CpuFast = z.looseObject({
  "cpu-index": z.number(),
  "qom-path": z.string(),
  "thread-id": z.number(),
  target: z.string().optional(),
});
export type CpuFast = z.infer<typeof CpuFast>;

/** A place for vCPUs; `qom-path` only where one is plugged. */
export const HotpluggableCpu = z.looseObject({
  type: z.string(),
  "vcpus-count": z.number(),
  props: z.record(z.string(), z.unknown()),
  "qom-path": z.string().optional(),
});
export type HotpluggableCpu = z.infer<typeof HotpluggableCpu>;

/** A memory backend; `size` in bytes. */
export const Memdev = z.looseObject({ id: z.string().optional(), size: figure });
export type Memdev = z.infer<typeof Memdev>;

export const CpuDefinition = z.looseObject({
  name: z.string(),
  typename: z.string().optional(),
  "alias-of": z.string().optional(),
  "migration-safe": z.boolean().optional(),
  static: z.boolean().optional(),
  deprecated: z.boolean().optional(),
  /** Features of the model that this host lacks; empty: the model runs here. */
  "unavailable-features": z.array(z.string()).optional(),
});
export type CpuDefinition = z.infer<typeof CpuDefinition>;

export const CpuModel = z.looseObject({
  name: z.string(),
  props: z.record(z.string(), z.unknown()).optional(),
});
export type CpuModel = z.infer<typeof CpuModel>;

/** `dirty-rate` in MB/s, present once measured. */
export const DirtyRate = z.looseObject({
  status: z.string(),
  "dirty-rate": figure.optional(),
  "start-time": figure.optional(),
  "calc-time": figure.optional(),
  mode: z.string().optional(),
});
export type DirtyRate = z.infer<typeof DirtyRate>;

/** MB/s; `limit-rate` is the limit set, `current-rate` what was measured. */
export const VcpuDirtyLimit = z.looseObject({
  "cpu-index": z.number(),
  "limit-rate": figure,
  "current-rate": figure,
});
export type VcpuDirtyLimit = z.infer<typeof VcpuDirtyLimit>;
