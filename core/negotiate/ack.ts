import type { QemuProbe } from "../protocol/probe.ts";
import { isAtLeast, versionText } from "../qemu/version.ts";
import type { AckMode } from "./agreement.ts";
import type { BothSides, RuledDefinition } from "./sides.ts";

/** `devices`: ids of those that will ask for an ACK. */
export type AckPlan = { mode: AckMode; devices: string[]; reason: string };

/**
 * The ACK protocol that a QEMU uses with this machine type: `legacy` (8.1 to 11.0, and later with a
 * machine type of up to 11.0) or `per-device`; undefined when the probe does not show it.
 */
function ackOf(qemu: QemuProbe, machine: string, definition: RuledDefinition) {
  if (!isAtLeast(qemu.version, "11.1")) return "legacy";
  const override = legacyByGlobal(definition);
  const found = qemu.machines.find(({ name, alias }) => name === machine || alias === machine);
  const legacy = override ?? found?.switchoverAckLegacy;
  if (legacy === undefined) return undefined;
  return legacy ? "legacy" : "per-device";
}

/** `-global migration.switchover-ack-legacy=…` overrides the machine type; QMP does not show it. */
function legacyByGlobal({ globals }: RuledDefinition): boolean | undefined {
  const prefix = "migration.switchover-ack-legacy=";
  const value = globals.findLast((text) => text.startsWith(prefix))?.slice(prefix.length);
  return value === undefined ? undefined : ["on", "true", "yes", "y"].includes(value);
}

/**
 * Why the ACK must be off although both sides have the capability: they would wait for, or count,
 * different messages, and the migration would hang. Undefined: they use the same protocol.
 */
export function ackDisagreement({ source, target, definition }: BothSides): string | undefined {
  const atSource = ackOf(source.qemu, source.machineType, definition);
  const atTarget = ackOf(target.qemu, source.machineType, definition);
  const machine = `machine type ${source.machineType}`;
  if (atSource === undefined || atTarget === undefined) {
    const side = atSource === undefined ? "source" : "target";
    return `the ${side}'s QEMU does not report whether its ACK is legacy or per device with ${machine}`;
  }
  if (atSource === atTarget) return undefined;
  return `the source's ACK is ${atSource} and the target's ${atTarget} with ${machine}: the migration would hang`;
}

/** Whether an ACK will come, and from whom, when `switchover-ack` is on or off. */
export function planAck({ source, target, definition }: BothSides, isOn: boolean): AckPlan {
  if (!isOn) return { mode: "none", devices: [], reason: "switchover-ack is off" };
  if (source.runState !== "running") {
    const reason = `the guest is ${source.runState}: QEMU delays the switchover of running guests only`;
    return { mode: "none", devices: [], reason };
  }
  const devices = source.vfioDevices.map((device) => device.id);
  if (ackOf(source.qemu, source.machineType, definition) === "legacy") {
    const versions = `QEMU ${versionText(source.qemu.version)} and ${versionText(target.qemu.version)}`;
    const when =
      devices.length === 0 ? "no device asks for it, so it comes at once" : "one for all devices";
    const reason = `${versions} use the legacy ACK with machine type ${source.machineType}: ${when}`;
    return { mode: "legacy", devices, reason };
  }
  if (devices.length === 0) {
    const reason = "no VFIO device asks for an ACK, and without one QEMU sends none";
    return { mode: "none", devices, reason };
  }
  return { mode: "per-device", devices, reason: `one ACK for each of ${devices.join(", ")}` };
}
