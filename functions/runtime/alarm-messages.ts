/** Messages of the log that alarms count on AWS: infra/alarms.ts. Each is logged in one place. */
export const alarmMessages = {
  unknown: "nobody can say where a guest runs",
  lost: "the sweep found migrations without an execution",
  stalled: "running migrations have reported nothing for long",
  silent: "hosts are silent",
  overBudget: "a migration took more downtime than its budget",
} as const;
export type AlarmMessage = keyof typeof alarmMessages;
