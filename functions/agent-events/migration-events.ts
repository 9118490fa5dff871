import { ClimbedRung } from "../../core/convergence/ladder.ts";
import type { HostId } from "../../core/id.ts";
import { cureOf } from "../../core/migration/failures.ts";
import type { Failure } from "../../core/migration/migration.ts";
import type { AgentEvent, EventBody, FailureCode } from "../../core/protocol/event.ts";
import { describeDifferences, differenceCode } from "../../core/twin/compare.ts";
import { TwinCheck } from "../../core/twin/comparison.ts";
import { permitHeldSource } from "../service/permit-switchover.ts";
import {
  changeByEvents,
  type Emitter,
  type EventChange,
  isSideOf,
  recordRung,
  recordStandstill,
} from "../store/migration-events.ts";
import { recordFailure } from "../store/migration-progress.ts";
import type { Outcome } from "../store/signals.ts";
import { PAUSED } from "../store/signals.ts";
import type { PendingWrites } from "./pending-writes.ts";
import { interrupt } from "./signals.ts";

export type MigrationBody = Extract<EventBody, { migrationId: unknown }>;
export type MigrationEvent = AgentEvent & { body: MigrationBody };

type Effect = EventChange & { signals: string[] };

export function isMigrationEvent(event: AgentEvent): event is MigrationEvent {
  return "migrationId" in event.body;
}

/** True if both events may be written in one update. */
export function canMerge({ body: last }: MigrationEvent, { body: next }: MigrationEvent): boolean {
  if (last.type === "migration.failed" || last.type === "migration.held") return false;
  const isSame = last.migrationId === next.migrationId && last.epoch === next.epoch;
  return isSame && last.vm === next.vm && sideOf(last) === sideOf(next);
}

/**
 * Applies events of one migration that can be merged. Changes nothing when the host is not that side
 * of the migration, when the epoch differs, or when the migration has ended.
 */
export async function applyMigrationEvents(
  host: HostId,
  events: MigrationEvent[],
  pending: PendingWrites,
): Promise<void> {
  const [first] = events;
  if (first === undefined) return;
  const { migrationId: id, vm, epoch } = first.body;
  const emitter = { id, vm, epoch, host, side: sideOf(first.body) };
  const effects = events.map(effectOf);
  if (!(await changeByEvents(emitter, effects))) return applyLate(emitter, events, pending);
  const now = new Date().toISOString();
  for (const [place, event] of events.entries()) {
    addToTimeline(host, event, pending);
    const by = `${host}#${event.seq}`;
    for (const name of effects[place]?.signals ?? []) {
      pending.raise(id, { name, outcome: { at: now, by } });
    }
    await actOn(event.body, { at: now, by }, pending);
  }
}

/** Events that may follow the end of their migration: hooks run later, figures come later. */
const lateTypes: ReadonlySet<MigrationBody["type"]> = new Set([
  "migration.hook",
  "migration.guest-clock",
  "migration.handed-over",
  "migration.standstill",
]);

async function applyLate(
  emitter: Emitter,
  events: MigrationEvent[],
  pending: PendingWrites,
): Promise<void> {
  const late = events.filter(({ body }) => lateTypes.has(body.type));
  if (late.length === 0) return;
  const effects = late.map(effectOf);
  const isWritten = effects.some(({ first }) => Object.keys(first).length > 0)
    ? await changeByEvents(emitter, effects, true)
    : await isSideOf(emitter);
  if (!isWritten) return;
  for (const event of late) {
    addToTimeline(emitter.host, event, pending);
    if (event.body.type === "migration.standstill") await addStandstill(event.body);
  }
}

async function addStandstill(body: MigrationBody & { type: "migration.standstill" }) {
  const { migrationId, reason, sinceMs, untilMs } = body;
  const end = untilMs === undefined ? {} : { untilMs };
  await recordStandstill(migrationId, { reason, sinceMs, ...end });
}

function addToTimeline(
  host: HostId,
  { body, atMs, seq }: MigrationEvent,
  pending: PendingWrites,
): void {
  const at = { atMs, host, seq };
  if (body.type === "migration.progress") pending.addSample(body.migrationId, at, body.progress);
  else pending.addEntry(body.migrationId, at, { type: body.type, detail: detailOf(body) });
}

const NOT_HANDED_OVER =
  "the source has completed, and its agent did not hear that the guest has arrived on the target";

/** Effects of an event beyond the record's fields, the signals and the timeline. */
async function actOn(body: MigrationBody, outcome: Outcome, pending: PendingWrites): Promise<void> {
  const { migrationId: id } = body;
  switch (body.type) {
    case "migration.compared": {
      // Before the command's answer ends the phase: the end reports the first failure recorded.
      if (body.differencesTotal > 0) await recordFailure(id, sidesDiffer(body));
      return;
    }
    case "migration.rung":
      return recordRung(id, ClimbedRung.parse(detailOf(body)));
    case "migration.standstill":
      return addStandstill(body);
    case "migration.source-completed":
      if (body.handedOver) return;
      await pending.write();
      return interrupt(id, { kind: "not-handed-over", at: outcome.at, detail: NOT_HANDED_OVER });
    case "migration.held":
      await pending.write();
      return permitHeldSource(id);
    case "migration.postcopy-paused": {
      const { pause } = body;
      const message = `pause ${pause}: the connection broke`;
      const error = { name: "PostcopyPaused", message };
      pending.raise(id, { name: PAUSED, outcome: { ...outcome, error, pause } });
      return;
    }
    case "migration.failed":
      // Before the interrupt: the end reports the first failure that was recorded.
      if (body.code !== undefined) {
        await recordFailure(id, endedByAgent(body.code, body.errorDescription));
      }
      await pending.write();
      return interrupt(id, { kind: "failed", at: outcome.at, detail: failureText(body) });
    default:
      return;
  }
}

/** The side that emits an event of this type. */
function sideOf(body: MigrationBody): "source" | "target" {
  switch (body.type) {
    case "migration.hook":
    case "migration.failed":
      return body.side;
    case "migration.ack-pending":
    case "migration.target-arrived":
    case "migration.guest-clock":
    case "migration.run-refused":
    case "migration.restarted":
      return "target";
    default:
      return "source";
  }
}

/**
 * The changes of the record and the signals that an event causes. QEMU stops the guest only after it
 * has converged and, where an ACK is expected, after the ACK. So STOP implies both, in case their own
 * events were lost with a restarted agent.
 */
function effectOf({ body, atMs, seq }: MigrationEvent): Effect {
  const nothing = { first: {}, newest: {}, signals: [] } as const;
  const acked = { ackEvidence: "implied", ackedAtMs: atMs };
  switch (body.type) {
    case "migration.compared":
      return { ...nothing, first: { twinCheck: TwinCheck.parse(detailOf(body)) }, signals: [] };
    case "migration.started":
      return { ...nothing, first: { startedAtMs: atMs }, signals: [] };
    case "migration.progress":
      return { ...nothing, newest: { progress: body.progress }, signals: [] };
    case "migration.converged":
      return { ...nothing, signals: ["converged"] };
    case "migration.hook":
    case "migration.guest-clock":
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
    case "migration.standstill":
    case "migration.restarted":
      return { ...nothing, signals: [] };
    case "migration.run-refused":
      return { ...nothing, newest: { runRefused: body.message }, signals: [] };
    case "migration.handed-over":
      return body.blackoutMs === undefined
        ? { ...nothing, signals: [] }
        : { ...nothing, first: { blackoutMs: body.blackoutMs }, signals: [] };
    case "migration.held":
      return { ...nothing, first: { heldAtMs: atMs }, signals: ["converged"] };
    case "migration.rung":
      // From here on no cancel is accepted: QEMU may begin postcopy at any moment.
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
    case "migration.target-arrived":
      return {
        ...nothing,
        first: body.runState === "running" ? { targetRunningAtMs: atMs } : {},
        newest: { arrivedAs: body.runState, arrivedSeq: seq },
        signals: ["target-arrived"],
      };
    case "migration.failed":
      return {
        ...nothing,
        first: { [`${body.side}Failure`]: failureText(body) },
        signals: [],
      };
  }
}

/** The failure as the side reported it; never empty. */
function failureText({
  side,
  status,
  errorDescription,
}: MigrationBody & { type: "migration.failed" }) {
  if (errorDescription !== "") return `${side}: ${errorDescription}`;
  const what = status === "exited" ? "its QEMU has ended" : `the migration ended ${status}`;
  return `${side}: ${what}`;
}

/** Both sides are observed next, and the end states what was found. */
function endedByAgent(code: FailureCode, message: string): Failure {
  const phase = code === "target-host-silent" ? "switchover" : "precopy";
  const state = "the agent has ended the move; both sides are observed";
  return { code, message, state, cure: cureOf(code), phase };
}

function sidesDiffer(check: TwinCheck): Failure {
  const code = differenceCode(check.differences);
  return {
    code,
    message: describeDifferences(check),
    state: "the guest runs on at the source, and nothing was sent",
    cure: cureOf(code),
    phase: "precopy",
  };
}

function detailOf(body: Exclude<MigrationBody, { type: "migration.progress" }>) {
  const { type: _type, migrationId: _id, vm: _vm, epoch: _epoch, ...detail } = body;
  return detail;
}
