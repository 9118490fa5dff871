import type { MigrationStatus } from "../catalog/statuses.ts";
import { atLeast } from "../catalog/version.ts";
import { emit, type Qemu } from "../qemu.ts";
import { strikeFaults } from "../strike.ts";

/** Moves one side of migration to a state, with everything that QEMU tells about it. */
export function setStatus(
  qemu: Qemu,
  side: "outgoing" | "incoming",
  status: MigrationStatus,
): void {
  qemu[side].status = status;
  qemu.trace("migrate_set_state", `new state ${status}`);
  // 7.2 tells the target's "setup" to everyone, whether events were asked for or not.
  const isTold = side === "incoming" && status === "setup" && !atLeast(qemu.version, "8.0");
  if (qemu.capabilities.events || isTold) emit(qemu, "MIGRATION", { status });
  strikeFaults(qemu, status);
}
