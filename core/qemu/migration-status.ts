/**
 * QEMU's migration statuses, as `query-migrate` and the event MIGRATION report them. Source: QAPI
 * schema, migration.json, MigrationStatus, QEMU 7.2 to 11.1. A status that is not listed here (a
 * newer QEMU's) counts as a migration under way. `failing` (11.0 and newer) is not final, and a
 * cancelled migration may end in `failed`.
 */

/** No migration has been set up in this process. QEMU may report no status at all instead. */
export const UNTOUCHED_STATUS = "none";

/** Source: connecting. Target: listening, and nothing has arrived. */
export const SETUP_STATUS = "setup";

/**
 * With the capability `pause-before-switchover`: the source has stopped the guest and holds it
 * until `migrate-continue`.
 */
export const HELD_STATUS = "pre-switchover";

/** The migration is over, and only a new one changes the status again. */
export const FINAL_STATUSES: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

export function isFinalStatus(status: string): boolean {
  return FINAL_STATUSES.has(status);
}

/** No migration is under way: none was ever set up, or the last one is over. */
export function isIdleStatus(status: string): boolean {
  return status === UNTOUCHED_STATUS || isFinalStatus(status);
}

/** A target with this status has not loaded a guest and is not loading one. */
export function isUnloadedStatus(status: string): boolean {
  return isIdleStatus(status) && status !== "completed";
}

/**
 * The guest's memory is split between both sides: `postcopy-active`, `-paused`, `-recover`,
 * `-recover-setup` (9.1 and newer), `-device` (10.1 and newer).
 */
export function isPostcopyStatus(status: string): boolean {
  return status.startsWith("postcopy-");
}
