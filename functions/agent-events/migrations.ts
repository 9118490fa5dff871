import { ClimbedRung } from "../../core/convergence/ladder.ts";
import type { HostId } from "../../core/id.ts";
import type { Failure } from "../../core/migration/migration.ts";
import type { AgentEvent, EventBody } from "../../core/protocol/event.ts";
import { permitHeld } from "../service/permit-switchover.ts";
import {
  changeByEvents,
  type EventChange,
  playsPart,
  type Teller,
} from "../store/event-changes.ts";
import { recordFailure, recordRung } from "../store/migrations.ts";
import type { Outcome } from "../store/signals.ts";
import { pauseSignal } from "../store/signals.ts";
import { interrupt } from "./signals.ts";
import type { Told } from "./told.ts";

export type MigrationBody = Extract<EventBody, { migrationId: unknown }>;
export type MigrationEvent = AgentEvent & { body: MigrationBody };

type Effect = EventChange & { signals: string[] };

export function isMigrationEvent(event: AgentEvent): event is MigrationEvent {
  return "migrationId" in event.body;
}

/** Whether the next event belongs to what the last one began to tell. */
export function tellTogether({ body: last }: MigrationEvent, { body: next }: MigrationEvent) {
  if (last.type === "migration.failed" || last.type === "migration.held") return false;
  const isSame = last.migrationId === next.migrationId && last.epoch === next.epoch;
  return isSame && last.vm === next.vm && sideOf(last) === sideOf(next);
}

/**
 * A host tells of a migration, with one or more events that tell together. Nothing changes when it
 * plays no such part in it, when the epoch is not the migration's, or when the migration is over.
 */
export async function migrationEvents(
  host: HostId,
  events: MigrationEvent[],
  told: Told,
): Promise<void> {
  const [first] = events;
  if (first === undefined) return;
  const { migrationId: id, vm, epoch } = first.body;
  const teller = { id, vm, epoch, host, side: sideOf(first.body) };
  const effects = events.map((event) => effectOf(event.body, event.atMs));
  if (!(await changeByEvents(teller, effects))) return tellHooks(teller, events, told);
  const now = new Date().toISOString();
  for (const [place, event] of events.entries()) {
    tellOne(host, event, told);
    const by = `${host}#${event.seq}`;
    for (const name of effects[place]?.signals ?? []) {
      told.happened(id, { name, outcome: { at: now, by } });
    }
    await follow(event.body, { at: now, by }, told);
  }
}

/** What hosts do after the end is told, too, though nothing follows from it. */
async function tellHooks(teller: Teller, events: MigrationEvent[], told: Told): Promise<void> {
  const hooks = events.filter(({ body }) => body.type === "migration.hook");
  if (hooks.length === 0 || !(await playsPart(teller))) return;
  for (const event of hooks) tellOne(teller.host, event, told);
}

function tellOne(host: HostId, { body, atMs, seq }: MigrationEvent, told: Told): void {
  const at = { atMs, host, seq };
  if (body.type === "migration.progress") told.sample(body.migrationId, at, body.progress);
  else told.entry(body.migrationId, at, { type: body.type, detail: detailOf(body) });
}

/** What some events ask for beside being told. */
async function follow(body: MigrationBody, outcome: Outcome, told: Told): Promise<void> {
  const { migrationId: id } = body;
  switch (body.type) {
    case "migration.rung":
      return recordRung(id, ClimbedRung.parse(detailOf(body)));
    case "migration.held":
      await told.write();
      return permitHeld(id);
    case "migration.postcopy-paused": {
      const message = `pause ${body.pause}: the connection broke`;
      const error = { name: "PostcopyPaused", message };
      told.happened(id, {
        name: pauseSignal(body.pause),
        outcome: { ...outcome, error },
      });
      return;
    }
    case "migration.failed":
      // Before the interrupt: the end takes the first cause that is written down.
      if (body.code === "no-convergence") {
        await recordFailure(id, noConvergence(body.errorDescription));
      }
      await told.write();
      return interrupt(id, { kind: "failed", at: outcome.at, detail: wordsOf(body) });
    default:
      return;
  }
}

/** The end of a migration that an event can only come from. */
function sideOf(body: MigrationBody): "source" | "target" {
  switch (body.type) {
    case "migration.hook":
    case "migration.failed":
      return body.side;
    case "migration.ack-pending":
    case "migration.target-running":
      return "target";
    default:
      return "source";
  }
}

/**
 * What each event does to the record, and what it says that a workflow may wait for. QEMU stops the
 * guest only after it has converged and, where one is asked for, after the ACK: so STOP stands for
 * both, in case their own events were lost with a restarted agent.
 */
function effectOf(body: MigrationBody, atMs: number): Effect {
  const nothing = { first: {}, newest: {}, signals: [] } as const;
  const acked = { ackEvidence: "implied", ackedAtMs: atMs };
  switch (body.type) {
    case "migration.started":
      return { ...nothing, first: { startedAtMs: atMs }, signals: [] };
    case "migration.progress":
      return { ...nothing, newest: { progress: body.progress }, signals: [] };
    case "migration.converged":
      return { ...nothing, signals: ["converged"] };
    case "migration.hook":
    case "migration.bandwidth-set":
    case "migration.ack-pending":
    case "migration.postcopy-paused":
      return { ...nothing, signals: [] };
    case "migration.acked":
      if ((body.pending ?? 0) > 0) return { ...nothing, signals: [] };
      return {
        ...nothing,
        first: { ackEvidence: body.evidence, ackedAtMs: atMs },
        signals: ["acked"],
      };
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
    case "migration.gate-opened":
      return { ...nothing, first: { openedAtMs: atMs }, signals: [] };
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
        first: { targetRunningAtMs: atMs },
        signals: ["target-running"],
      };
    case "migration.failed":
      return {
        ...nothing,
        first: { [`${body.side}Failure`]: wordsOf(body) },
        signals: [],
      };
  }
}

/** What an end says of its failure; never nothing. */
function wordsOf({ side, status, errorDescription }: MigrationBody & { type: "migration.failed" }) {
  if (errorDescription !== "") return `${side}: ${errorDescription}`;
  const what = status === "exited" ? "its QEMU has ended" : `the migration ended ${status}`;
  return `${side}: ${what}`;
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
