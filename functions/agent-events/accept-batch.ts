import type { AgentEvent } from "../../core/protocol/event.ts";
import { log } from "../runtime/log.ts";
import { isRefusedForGood } from "../runtime/table-failure.ts";
import { acceptEvents, findHostNow, noteUnfitEvent, type StoredHost } from "../store/hosts.ts";
import { addRows, entryRow } from "../store/timeline.ts";
import { applyEvents } from "./apply-events.ts";
import type { Authenticated } from "./authenticate.ts";

export type Accepted = { acceptedSeq: number } | { expectedSeq: number };

const REASON_MAX = 300;

/**
 * Accepts a host's events in their order. Events accepted before are skipped. A gap is refused: a
 * missing event may change the meaning of later ones. The effects come before the new sequence number:
 * after a crash in between, the same events come again and change nothing.
 */
export async function acceptBatch(by: Authenticated, events: AgentEvent[]): Promise<Accepted> {
  const { host, sequence: requestSeq } = by;
  const fresh = events.filter(({ seq }) => seq > host.lastSeq);
  const last = fresh.at(-1);
  if (last === undefined) return { acceptedSeq: host.lastSeq };
  const gap = fresh.findIndex(({ seq }, place) => seq !== host.lastSeq + 1 + place);
  if (gap !== -1) return { expectedSeq: host.lastSeq + 1 + gap };
  await applyFitting(host, fresh);
  const accepted = { from: host.lastSeq, to: last.seq, requestSeq };
  if (await acceptEvents(host.id, accepted)) return { acceptedSeq: last.seq };
  return { acceptedSeq: (await findHostNow(host.id))?.lastSeq ?? host.lastSeq };
}

/**
 * Applies events together. When the table refuses one of them for good, each is applied by itself and
 * that one is noted and passed: refused as a whole, the batch would come again for ever, and the host
 * would not be heard any more.
 */
async function applyFitting(host: StoredHost, events: AgentEvent[]): Promise<void> {
  try {
    await applyEvents(host.id, events);
  } catch (error) {
    if (!isRefusedForGood(error)) throw error;
    if (events.length === 1) return passUnfit(host, events, error);
    for (const event of events) await applyFitting(host, [event]);
  }
}

async function passUnfit(host: StoredHost, events: AgentEvent[], error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message.slice(0, REASON_MAX);
  for (const { seq, atMs, body } of events) {
    log().error({ err: error, host: host.id, seq, type: body.type }, "passed an unfit event");
    await noteUnfitEvent(host.id, { seq, type: body.type, reason, at: new Date().toISOString() });
    if (!("migrationId" in body)) continue;
    const detail = { event: body.type, reason };
    const at = { atMs, host: host.id, seq };
    await addRows([entryRow(body.migrationId, at, { type: "event.unfit", detail })]);
  }
}
