/**
 * The functions that the migration workflow calls, in the order of a migration. Each name is that of
 * the function in the cloud and of its file in functions/task/. The workflow, the local cloud, the
 * tests and the infrastructure read this list.
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

/** Functions that the engine calls at the start of a window. */
export const windowTasks = ["open-window"] as const;
export type WindowTask = (typeof windowTasks)[number];

/** Functions that a schedule calls, every minute and with an empty input. */
export const scheduledTasks = ["sweep", "deliver-webhooks"] as const;
export type ScheduledTask = (typeof scheduledTasks)[number];
