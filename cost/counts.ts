/** What one thing asks of the AWS services, in the units that AWS charges. */
export type Counts = {
  /** State transitions of Step Functions, retries included. */
  transitions: number;
  /** Invocations by the workflow, and by other functions. */
  taskInvocations: number;
  /** Requests to the HTTP API; each invokes a function. */
  httpRequests: number;
  readUnits: number;
  writeUnits: number;
  /** Messages sent to hosts; each is also received and deleted. */
  commands: number;
  /** Bytes in the table that are kept for a year, and for a month at most. */
  yearBytes: number;
  monthBytes: number;
};

/**
 * Counted in a run of the real functions and the real workflow: test/cost/counts.test.ts fails when
 * they grow. A migration without its progress events, one progress event, one heartbeat of a host.
 */
export const counted: Readonly<Record<"migration" | "progressEvent" | "heartbeat", Counts>> = {
  migration: {
    transitions: 12,
    taskInvocations: 9,
    httpRequests: 12,
    readUnits: 58,
    writeUnits: 193,
    commands: 7,
    yearBytes: 7_700,
    monthBytes: 7_000,
  },
  progressEvent: {
    transitions: 0,
    taskInvocations: 0,
    httpRequests: 1,
    readUnits: 3,
    writeUnits: 6,
    commands: 0,
    yearBytes: 1,
    monthBytes: 320,
  },
  heartbeat: {
    transitions: 0,
    taskInvocations: 0,
    httpRequests: 1,
    readUnits: 1,
    writeUnits: 1,
    commands: 0,
    yearBytes: 0,
    monthBytes: 0,
  },
};
