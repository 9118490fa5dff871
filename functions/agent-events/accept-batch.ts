import type { AgentEvent } from "../../core/protocol/event.ts";
import { acceptEvents, findHost, type StoredHost } from "../store/hosts.ts";
import { applyEvents } from "./apply-events.ts";

export type Accepted = { acceptedSeq: number } | { expectedSeq: number };

/**
 * Accepts a host's events in their order. Events accepted before are skipped. A gap is refused: a
 * missing event may change the meaning of later ones. The effects come before the new sequence number:
 * after a crash in between, the same events come again and change nothing.
 */
export async function acceptBatch(host: StoredHost, events: AgentEvent[]): Promise<Accepted> {
  const fresh = events.filter(({ seq }) => seq > host.lastSeq);
  const last = fresh.at(-1);
  if (last === undefined) return { acceptedSeq: host.lastSeq };
  const gap = fresh.findIndex(({ seq }, place) => seq !== host.lastSeq + 1 + place);
  if (gap !== -1) return { expectedSeq: host.lastSeq + 1 + gap };
  await applyEvents(host.id, fresh);
  if (await acceptEvents(host.id, host.lastSeq, last.seq)) return { acceptedSeq: last.seq };
  return { acceptedSeq: (await findHost(host.id))?.lastSeq ?? host.lastSeq };
}
