import { ClimbedRung } from "../../core/convergence.ts";
import type { AgentEvent, EventBody } from "../../core/event.ts";
import type { HostId } from "../../core/id.ts";
import type { Failure } from "../../core/migration.ts";
import { permitGroup } from "../permit.ts";
import { changeByEvent, type EventChange, playsPart } from "../store/event-changes.ts";
import { recordFailure, recordRung } from "../store/migrations.ts";
import { addEntry, addSample } from "../store/timeline.ts";
import { beat, happen, interrupt } from "./signals.ts";

export type MigrationBody = Extract<EventBody, { migrationId: unknown }>;

type Effect = EventChange & { signals: string[] };

/**
 * A host tells of a migration. Nothing changes when it plays no such part in it, when the epoch is
 * not the migration's, or when the migration is over.
 */
export async function migrationEvent(
  host: HostId,
  event: AgentEvent,
  body: MigrationBody,
): Promise<void> {
  const { migrationId: id, vm, epoch } = body;
  const { signals, ...change } = effectOf(body, event.atMs);
  const teller = { id, vm, epoch, host };
  const changed = await changeByEvent(teller, change);
  // What hosts do after the end is told, too, though nothing follows from it.
  if (!changed && !(body.type === "migration.hook" && (await playsPart(teller, body.role)))) return;
  const at = { atMs: event.atMs, host, seq: event.seq };
  if (body.type === "migration.progress") {
    await Promise.all([addSample(id, at, body.progress), beat(id)]);
    return;
  }
  // Before the interrupt: the end takes the first cause that is written down.
  if (body.type === "migration.failed" && body.code === "no-convergence") {
    await recordFailure(id, noConvergence(body.errorDescription));
  }
  const now = new Date().toISOString();
  await Promise.all([
    addEntry(id, at, { type: body.type, detail: detailOf(body) }),
    signals.length === 0 ? undefined : happen(id, signals, { at: now, by: `${host}#${event.seq}` }),
    body.type === "migration.failed"
      ? interrupt(id, {
          kind: "failed",
          at: now,
          detail: wordsOf(body),
        })
      : undefined,
    body.type === "migration.held" ? permitGroup(id) : undefined,
    body.type === "migration.postcopy-paused"
      ? happen(id, [`postcopy-paused.${body.pause}`], {
          at: now,
          by: `${host}#${event.seq}`,
          error: { name: "PostcopyPaused", message: `pause ${body.pause}: the connection broke` },
        })
      : undefined,
    body.type === "migration.rung" ? recordRung(id, ClimbedRung.parse(detailOf(body))) : undefined,
  ]);
}

/**
 * What each event does to the record, and what it says that a workflow may wait for. QEMU stops the
 * guest only after it has converged and, where one is asked for, after the ACK: so STOP stands for
 * both, in case their own events were lost with a restarted agent.
 */
function effectOf(body: MigrationBody, atMs: number): Effect {
  const nothing = { side: "source", first: {}, newest: {}, signals: [] } as const;
  const acked = { ackEvidence: "implied", ackedAtMs: atMs };
  switch (body.type) {
    case "migration.started":
      return { ...nothing, first: { startedAtMs: atMs }, signals: [] };
    case "migration.progress":
      return { ...nothing, newest: { progress: body.progress }, signals: [] };
    case "migration.converged":
      return { ...nothing, signals: ["converged"] };
    case "migration.hook":
      return { ...nothing, side: body.role, signals: [] };
    case "migration.bandwidth-set":
      return { ...nothing, signals: [] };
    case "migration.acked":
      if ((body.pending ?? 0) > 0) return { ...nothing, signals: [] };
      return {
        ...nothing,
        first: { ackEvidence: body.evidence, ackedAtMs: atMs },
        signals: ["acked"],
      };
    case "migration.ack-pending":
      return { ...nothing, side: "target", signals: [] };
    case "migration.held":
      return { ...nothing, first: { heldAtMs: atMs }, signals: ["converged"] };
    case "migration.rung":
      // No cancel from here on: QEMU may begin postcopy at any moment.
      if (body.action === "postcopy") {
        return { ...nothing, first: { postcopyAtMs: atMs }, signals: [] };
      }
      return { ...nothing, signals: [] };
    case "migration.postcopy":
      return {
        ...nothing,
        first: { ...acked, postcopyAtMs: atMs },
        signals: ["converged", "acked"],
      };
    case "migration.postcopy-paused":
      return { ...nothing, signals: [] };
    case "migration.released":
      return { ...nothing, first: { releasedAtMs: atMs }, signals: [] };
    case "migration.stopped":
      return {
        ...nothing,
        first: { ...acked, stoppedAtMs: atMs },
        signals: ["converged", "acked"],
      };
    case "migration.source-completed":
      return {
        ...nothing,
        first: { ...acked, sourceCompletedAtMs: atMs, figures: body.figures },
        newest: { progress: body.figures.progress },
        signals: ["converged", "acked", "source-completed"],
      };
    case "migration.target-running":
      return {
        ...nothing,
        side: "target",
        first: { targetRunningAtMs: atMs },
        signals: ["target-running"],
      };
    case "migration.failed":
      return {
        ...nothing,
        side: body.role,
        first: { [`${body.role}Failure`]: wordsOf(body) },
        signals: [],
      };
  }
}

/** What an end says of its failure; never nothing. */
function wordsOf({ role, status, errorDescription }: MigrationBody & { type: "migration.failed" }) {
  if (errorDescription !== "") return `${role}: ${errorDescription}`;
  const what = status === "gone" ? "its QEMU has ended" : `the migration ended ${status}`;
  return `${role}: ${what}`;
}

function noConvergence(message: string): Failure {
  return {
    code: "no-convergence",
    message,
    state: "the guest runs on at the source",
    cure: "allow a longer downtime (another ladder, downtimeLimitMs), give the move more bandwidth, or try again when the guest is less busy",
    phase: "precopy",
  };
}

function detailOf(body: Exclude<MigrationBody, { type: "migration.progress" }>) {
  const { type: _type, migrationId: _id, vm: _vm, epoch: _epoch, ...detail } = body;
  return detail;
}
