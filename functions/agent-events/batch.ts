import { setImmediate as afterwards } from "node:timers/promises";
import type { AgentEvent } from "../../core/protocol/event.ts";
import { acceptEvents, findHost, type StoredHost } from "../store/hosts.ts";
import { applyEvents } from "./apply.ts";

export type Accepted = { acceptedSeq: number } | { expectedSeq: number };

/**
 * Takes a host's events in their order. Those seen before are skipped; a gap is refused, because an
 * event of it may change what the later ones mean. Effects come first, then the sequence moves on:
 * after a crash in between the same events come again and change nothing twice.
 */
export async function acceptBatch(host: StoredHost, events: AgentEvent[]): Promise<Accepted> {
  const fresh = events.filter(({ seq }) => seq > host.lastSeq);
  const last = fresh.at(-1);
  if (last === undefined) return { acceptedSeq: host.lastSeq };
  const gap = fresh.findIndex(({ seq }, place) => seq !== host.lastSeq + 1 + place);
  if (gap !== -1) return { expectedSeq: host.lastSeq + 1 + gap };
  await applyEvents(host.id, fresh);
  // Where the workflow that goes on from here runs in this process, it goes first.
  await afterwards();
  if (await acceptEvents(host.id, host.lastSeq, last.seq)) return { acceptedSeq: last.seq };
  return { acceptedSeq: (await findHost(host.id))?.lastSeq ?? host.lastSeq };
}
