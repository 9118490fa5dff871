/** Run states of a QEMU that stopped its guest for the switchover (QAPI schema, run-state.json). */
const STOPPED_BY_SWITCHOVER: ReadonlySet<string> = new Set(["finish-migrate", "postmigrate"]);

/** The guest was stopped by the switchover, or has been handed over. */
export function isStoppedBySwitchover(runState: string): boolean {
  return STOPPED_BY_SWITCHOVER.has(runState);
}
