import type { SourceProbe, TargetProbe } from "../protocol/probe.ts";
import { findCapability } from "../qemu/capabilities.ts";
import type { VmDefinition } from "../vm.ts";

export type Side = "source" | "target";

export const SIDES: readonly Side[] = ["source", "target"];

/** The part of a VM's definition that negotiation reads. */
export type RuledDefinition = Pick<
  VmDefinition,
  | "machine"
  | "accelerator"
  | "memoryBytes"
  | "cpus"
  | "cpuModel"
  | "uuid"
  | "blockdevs"
  | "devices"
  | "objects"
  | "globals"
>;

/** What negotiation knows of both sides and of the VM. */
export type BothSides = { source: SourceProbe; target: TargetProbe; definition: RuledDefinition };

/** What is switched on at one side when these capabilities are on for the migration. */
export function onAt(side: Side, on: ReadonlySet<string>): Set<string> {
  const here = [...on].filter((name) => isSetAt(side, name, on));
  return new Set(here);
}

function isSetAt(side: Side, name: string, on: ReadonlySet<string>): boolean {
  const owner = findCapability(name)?.side;
  if (owner === side || owner === "both" || owner === "each") return true;
  // The target does not use it, but QEMU refuses switchover-ack there without it
  // (migration/options.c, migrate_caps_check).
  return name === "return-path" && on.has("switchover-ack");
}
