import { createHash, randomBytes } from "node:crypto";
import {
  type EventCursor,
  type EventPage,
  FleetEvent,
  fitsTypes,
  fleetEvent,
  type UntoldEvent,
} from "../../core/fleet-event/fleet-event.ts";
import { log } from "../runtime/log.ts";
import { contentOf, cursorOf, type DayLog, entryKey, readDay } from "./day-log.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, type Item, type Key, putItem, transact, write } from "./table.ts";

/** A migration has about ten events: so many partitions take 1,000 migrations a second. */
const fleetLog: DayLog = { name: "FLEET", shards: 16 };

/**
 * Readers are given events when they are so old, ms: by then every write that began before has ended,
 * so nothing appears before a reader's cursor. A write that has taken half of it is made once more.
 */
export const SETTLE_MS = 3_000;
const WRITE_MS_MAX = SETTLE_MS / 2;
const WRITES_MAX = 3;

/** Days that one question reads at most, and pages of a day when a filter drops most events. */
const READS_MAX = 20;
const PAGE_MAX = 100;
const DAY_MS = 86_400_000;

/** An event of now. */
export function eventOfNow(untold: UntoldEvent): FleetEvent {
  return fleetEvent(untold, Date.now(), randomBytes(10));
}

/** What a host has emitted: repeated, it is the same event. */
export function eventOfHost(
  untold: UntoldEvent,
  { host, atMs, seq }: { host: string; atMs: number; seq: number },
): FleetEvent {
  const hash = createHash("sha256").update(`${host}#${seq}#${untold.type}`).digest();
  return fleetEvent(untold, atMs, hash);
}

type EventRow = Item & Key;

/** As it is written at this moment. */
export function eventRow(event: FleetEvent): EventRow {
  const ttl = expiresIn(keptSeconds.fleetEvent);
  return { ...entryKey(fleetLog, new Date().toISOString()), ...event, ttl };
}

export async function addEvents(untold: readonly UntoldEvent[]): Promise<void> {
  const events = untold.map(eventOfNow);
  await inTime(() => putEach(events), events);
}

/** They are few; a batch would be one right more for each function. */
async function putEach(events: readonly FleetEvent[]): Promise<void> {
  await Promise.all(events.map((event) => putItem(eventRow(event))));
}

/**
 * All writes and their events, or none. Resolves to the places of the writes whose condition did not
 * hold, as {@link transact}.
 */
export async function transactWithEvents(
  items: Parameters<typeof transact>[0],
  untold: readonly UntoldEvent[],
): Promise<number[]> {
  const events = untold.map(eventOfNow);
  const all = [...items, ...events.map((event) => write.put(eventRow(event)))];
  return inTime(
    () => transact(all),
    events,
    (failed) => failed.length === 0,
  );
}

/** Readers may have passed the time of a slow write: its events are written once more, as of now. */
export async function inTime<T>(
  writeThem: () => Promise<T>,
  events: readonly FleetEvent[],
  isWritten: (result: T) => boolean = () => true,
): Promise<T> {
  let beganMs = Date.now();
  const result = await writeThem();
  if (!isWritten(result)) return result;
  for (let writes = 1; writes < WRITES_MAX && Date.now() - beganMs > WRITE_MS_MAX; writes += 1) {
    beganMs = Date.now();
    await putEach(events);
  }
  return result;
}

export type EventQuestion = {
  readonly after?: EventCursor | undefined;
  readonly types: readonly string[];
  readonly limit: number;
};

/** Events that were written after a cursor, in the order in which they were. */
export async function readEvents(question: EventQuestion): Promise<EventPage> {
  const { types, limit } = question;
  const nowMs = Date.now();
  const horizon = new Date(nowMs - SETTLE_MS).toISOString();
  const oldest = new Date(nowMs - keptSeconds.fleetEvent * 1_000).toISOString();
  const items: FleetEvent[] = [];
  const asked = question.after ?? oldest;
  let after = asked < oldest ? oldest : asked;
  for (let reads = 0; reads < READS_MAX; reads += 1) {
    if (after >= horizon) return { items, cursor: after, more: false };
    const day = after.slice(0, 10);
    const pageLimit = types.length === 0 ? limit : PAGE_MAX;
    const page = await readDay(fleetLog, day, { limit: pageLimit, newestFirst: false, after });
    for (const item of page.items) {
      if (cursorOf(item) >= horizon) return { items, cursor: horizon, more: false };
      after = cursorOf(item);
      const event = knownEvent(item);
      if (event !== undefined && fitsTypes(event.type, types)) items.push(event);
      if (items.length === limit) return { items, cursor: after, more: true };
    }
    if (!page.isCut) after = earlier(nextDay(day), horizon);
  }
  return { items, cursor: after, more: true };
}

/** After a downgrade there may be events of a later version: they are passed over. */
function knownEvent(item: Item): FleetEvent | undefined {
  const { data, error } = FleetEvent.safeParse(contentOf(item));
  if (data === undefined) log().warn({ err: error, id: item.id }, "passed over an event");
  return data;
}

function nextDay(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00.000Z`) + DAY_MS).toISOString();
}

function earlier(one: string, other: string): string {
  return one < other ? one : other;
}
