/** Statuses of query-migrate after which a migration does not go on (QAPI schema, migration.json). */
export const FINAL_STATUSES: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** Statuses in which a target neither loads a guest nor has one. */
export const NOT_LOADING_STATUSES: ReadonlySet<string> = new Set(["none", "failed", "cancelled"]);

/** Run states of a source's QEMU that has handed its guest over. */
export const HANDED_OVER_RUN_STATES: ReadonlySet<string> = new Set([
  "finish-migrate",
  "postmigrate",
]);

export function isPostcopy(status: string | undefined): boolean {
  return status?.startsWith("postcopy-") === true;
}
