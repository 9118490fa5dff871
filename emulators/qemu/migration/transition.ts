import type { MigrationStatus } from "../catalog/statuses.ts";
import { atLeast } from "../catalog/version.ts";
import { emit, type Qemu } from "../qemu.ts";
import { strikeFaults } from "../strike.ts";

/** Moves one side of a migration to a state, with its trace line and its event. */
export function setStatus(
  qemu: Qemu,
  side: "outgoing" | "incoming",
  status: MigrationStatus,
): void {
  qemu[side].status = status;
  qemu.trace("migrate_set_state", `new state ${status}`);
  // 7.2 emits the target's "setup" even without the capability `events`.
  const isAlwaysEmitted =
    side === "incoming" && status === "setup" && !atLeast(qemu.version, "8.0");
  if (qemu.capabilities.events || isAlwaysEmitted) emit(qemu, "MIGRATION", { status });
  strikeFaults(qemu, status);
}
