/**
 * The functions that the migration workflow calls, in the order of a migration. The name is the
 * function's name in the cloud and that of its file in functions/task/; the workflow, the local
 * cloud, the tests and the infrastructure read this list.
 */
export const migrationTasks = [
  "admit",
  "relay",
  "negotiate",
  "await-signal",
  "ack-expired",
  "complete",
  "reconcile",
  "end-migration",
] as const;
export type MigrationTask = (typeof migrationTasks)[number];
