const DAY_SECONDS = 86_400;

/**
 * How long the table keeps what grows with use, from when it was written; then DynamoDB removes it
 * by its `ttl`. docs/operate/data-folder.md lists these. A migration's time begins with its end; one
 * that has not ended, or whose end is `unknown`, is kept. Hosts and VMs are kept until somebody
 * removes them.
 */
export const keptSeconds = {
  idempotencyKey: DAY_SECONDS,
  command: 7 * DAY_SECONDS,
  fleetEvent: 7 * DAY_SECONDS,
  sample: 30 * DAY_SECONDS,
  delivery: 30 * DAY_SECONDS,
  switchoverGroup: 30 * DAY_SECONDS,
  timelineEntry: 365 * DAY_SECONDS,
  migration: 365 * DAY_SECONDS,
  evacuation: 365 * DAY_SECONDS,
  scheduleRun: 365 * DAY_SECONDS,
  auditEntry: 400 * DAY_SECONDS,
};
