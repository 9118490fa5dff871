import { VmDefinition } from "../../../core/vm.ts";
import { Fleet, type FleetOptions } from "../../../rig/fleet.ts";
import { modelQemu } from "../../../rig/qemu.ts";
import { waitUntil } from "../../../rig/wait-until.ts";

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;
/** For busy machines. */
export const PATIENCE_MS = 150_000;
/** Memory of each guest that is not zero: with a bandwidth limit it sets how long a move takes. */
const USED_BYTES = 96 * MIB;

/** A local control plane with hosts on the model of QEMU. */
export function startScene(
  hosts: readonly string[],
  options: Partial<FleetOptions> = {},
): Promise<Fleet> {
  const { path } = modelQemu();
  return Fleet.start({
    hosts: Object.fromEntries(hosts.map((host) => [host, path])),
    startMs: PATIENCE_MS,
    environment: {
      QEMU_MODEL: JSON.stringify({ usedBytes: USED_BYTES, dirtyBytesPerSecond: MIB / 2 }),
    },
    ...options,
    agent: { progressIntervalMs: 250, memoryBytes: 8 * GIB, ...options.agent },
  });
}

export function definition(memoryBytes = 128 * MIB): VmDefinition {
  return VmDefinition.parse({ machine: "pc", memoryBytes });
}

/** Moves a VM to the end, whatever that is. */
export async function move(
  fleet: Fleet,
  wanted: Parameters<Fleet["api"]["createMigration"]>[0],
): Promise<string> {
  const { id } = await fleet.api.createMigration(wanted);
  await fleet.waitForMigration(id, { timeoutMs: PATIENCE_MS });
  return id;
}

export function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  return waitUntil(what, probe, { timeoutMs: PATIENCE_MS, everyMs: 200 });
}

/** An evacuation whose moves take about `USED_BYTES / rate` each. */
export function slowEvacuation(hosts: string[], by: string, rate: number) {
  return {
    hosts,
    by,
    policy: { maxBandwidthBytesPerSecond: rate },
    options: {
      streamBytesPerSecond: rate,
      unknownDirtyBytesPerSecond: MIB / 2,
      unknownWorkingSetShare: 0.3,
      prepareMs: 0,
      finishMs: 1_500,
    },
  };
}
