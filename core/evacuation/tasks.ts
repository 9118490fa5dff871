/** The functions that the evacuation workflow calls; see core/migration/tasks.ts. */
export const evacuationTasks = [
  "advance-evacuation",
  "await-evacuation",
  "continue-evacuation",
] as const;
export type EvacuationTask = (typeof evacuationTasks)[number];
