/** Counts of a session since its start, for tests and metrics. */
export type QmpCounters = {
  bytesReceived: number;
  /** Written to QEMU, in-band and out-of-band. */
  commandsSent: number;
  repliesReceived: number;
  /** Answers to calls that had timed out or were aborted. */
  lateRepliesDropped: number;
  /** Answers with an id this session never used. */
  unknownRepliesDropped: number;
  timeouts: number;
  /** All events, each MIGRATION_PASS counted. */
  eventsReceived: number;
  passEventsReceived: number;
  /** MIGRATION_PASS events that a newer one replaced before delivery. */
  passEventsCoalesced: number;
  /** Pauses in reading during a flood of MIGRATION_PASS. */
  floodRests: number;
  /** Events handed to listeners (also when there are none). */
  eventsDelivered: number;
  /** Listeners that threw or rejected. */
  listenerErrors: number;
};

export function createCounters(): QmpCounters {
  return {
    bytesReceived: 0,
    commandsSent: 0,
    repliesReceived: 0,
    lateRepliesDropped: 0,
    unknownRepliesDropped: 0,
    timeouts: 0,
    eventsReceived: 0,
    passEventsReceived: 0,
    passEventsCoalesced: 0,
    floodRests: 0,
    eventsDelivered: 0,
    listenerErrors: 0,
  };
}
