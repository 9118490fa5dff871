import * as z from "zod";
import { Storage } from "./storage.ts";

/** The kinds of parts that a machine is read as; differences are listed in this order. */
export const PartKind = z.enum([
  "device",
  "disk",
  "network peer",
  "machine",
  "vCPUs",
  "memory",
  "chardev",
  "object",
]);
export type PartKind = z.infer<typeof PartKind>;

/** Values are text: numbers in decimal digits, texts without quotes. */
const Properties = z.record(z.string(), z.string());
export type Properties = z.infer<typeof Properties>;

/**
 * What one side's QEMU is: kind → part → property → value. A part is named by its place in the
 * machine, never by what an operator calls it, so that both sides name the same part alike:
 *
 * - `device`: its place in the tree of buses (`i440FX-pcihost/04.0`), with `type`, `id`, and all
 *   properties of `info qtree`;
 * - `disk`: the place of its device, with its chain of nodes and files;
 * - `network peer`, `chardev`: the id by which a device names it;
 * - `memory`: RAM blocks as the stream names them, memory devices, backends;
 * - `vCPUs`: each vCPU slot, and the features of the first vCPU.
 */
export const Reading = z.strictObject({
  /** QEMU's version, e.g. `10.0.2`. */
  qemu: z.string().max(64),
  parts: z.record(PartKind, z.record(z.string(), Properties)),
  /** The files of its disks; only where the machine was read. */
  storage: Storage.optional(),
});
export type Reading = z.infer<typeof Reading>;

export type Parts = Reading["parts"];

export function emptyParts(): Parts {
  const none = PartKind.options.map((kind) => [kind, {}] as const);
  return Object.fromEntries(none) as Parts;
}

/** The part of kind `vCPUs` that has the features. */
export const FIRST_VCPU = "vCPU 0";
/** Beginning of the names of properties that are features of the CPU. */
export const FEATURE = "feature ";

/**
 * The reading with its vCPU's features by their names, as `named` has them, in place of the CPUID
 * registers.
 */
export function withFeatureNames(reading: Reading, named: Reading): Reading {
  const { vCPUs } = reading.parts;
  const others = Object.entries(vCPUs[FIRST_VCPU] ?? {}).filter(
    ([property]) => !property.startsWith(FEATURE),
  );
  const features = { ...Object.fromEntries(others), ...named.parts.vCPUs[FIRST_VCPU] };
  return { ...reading, parts: { ...reading.parts, vCPUs: { ...vCPUs, [FIRST_VCPU]: features } } };
}

/** Whether the vCPUs of two readings have the same features. */
export function haveSameFeatures(a: Reading, b: Reading): boolean {
  const features = ({ parts }: Reading) =>
    Object.entries(parts.vCPUs[FIRST_VCPU] ?? {})
      .filter(([property]) => property.startsWith(FEATURE))
      .map(([property, value]) => `${property} ${value}`)
      .sort()
      .join("\n");
  return features(a) === features(b);
}
