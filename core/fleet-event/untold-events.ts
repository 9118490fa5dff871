import { type Life, shownStatus } from "../evacuation/life.ts";
import type { Notice } from "../evacuation/notice.ts";
import { heldReason } from "../evacuation/noticing.ts";
import type { HostCordon } from "../host/cordon.ts";
import type { HostLifecycle } from "../host/host-state.ts";
import type { EvacuationId, HostId, MigrationId, VmId } from "../id.ts";
import type { Failure, MigrationStatus, Phase } from "../migration/migration.ts";
import type { UntoldEvent } from "./fleet-event.ts";

/** Owners of cordons that one event names. */
const OWNERS_MAX = 5;

type Moving = {
  readonly id: MigrationId;
  readonly vm: VmId;
  readonly source: HostId;
  readonly target: HostId;
  readonly evacuation?: EvacuationId | undefined;
};

function dataOf({ id, vm, source, target, evacuation }: Moving) {
  return { migration: id, vm, source, target, ...(evacuation === undefined ? {} : { evacuation }) };
}

export function migrationRequested(migration: Moving): UntoldEvent {
  return { type: "migration.requested", data: dataOf(migration) };
}

export function phaseEntered(migration: Moving, phase: Phase): UntoldEvent {
  return { type: "migration.phase", data: { ...dataOf(migration), phase } };
}

type End = {
  readonly status: Exclude<MigrationStatus, "running">;
  readonly failure?: Failure | undefined;
  readonly downtimeMs?: number | undefined;
  /** Where the guest is; absent when nobody knows. */
  readonly host?: HostId | undefined;
  /** Why, where there is no failure in a record. */
  readonly message?: string | undefined;
};

export function migrationEnded(migration: Moving, end: End): UntoldEvent {
  const { status, downtimeMs, host } = end;
  return {
    type: `migration.${status}`,
    data: {
      ...dataOf(migration),
      ...whyOf(end),
      ...(downtimeMs === undefined ? {} : { downtimeMs }),
      ...(host === undefined ? {} : { host }),
    },
  };
}

function whyOf({ failure, message }: End) {
  if (failure === undefined) return message === undefined ? {} : { message };
  return { code: failure.code, message: failure.message, cure: failure.cure, phase: failure.phase };
}

type Evacuating = Pick<Life, "status" | "pauses" | "version" | "endedBy">;

/** What has changed of an evacuation, for people; `before` is absent for a new one. */
export function evacuationChanges(
  evacuation: EvacuationId,
  before: Evacuating | undefined,
  after: Evacuating,
): UntoldEvent[] {
  const changes: UntoldEvent[] = [];
  const { version, endedBy } = after;
  const pauses = Object.values(after.pauses).map(({ reason }) => reason);
  const data = { evacuation, version, ...(pauses.length === 0 ? {} : { pauses }) };
  if (before !== undefined && before.version !== version) {
    changes.push({ type: "evacuation.plan-changed", data });
  }
  const status = shownStatus(after);
  const isSame =
    before !== undefined &&
    shownStatus(before) === status &&
    (status !== "paused" || hasSamePauses(before, after));
  if (isSame) return changes;
  const message = status === "paused" ? messageOf(after) : endedBy?.message;
  const why = message === undefined ? {} : { message };
  changes.push({ type: `evacuation.${status}`, data: { ...data, ...why } });
  return changes;
}

function hasSamePauses(before: Evacuating, after: Evacuating): boolean {
  const names = ({ pauses }: Evacuating) => Object.keys(pauses).sort().join(" ");
  return names(before) === names(after);
}

function messageOf({ pauses }: Evacuating): string {
  return Object.values(pauses)
    .map(({ author, message, endsWith }) => `${author}: ${message ?? endsWith}`)
    .join("; ");
}

type Keeping = {
  readonly id: HostId;
  readonly state: HostLifecycle;
  readonly cordons: readonly HostCordon[];
};

/** What has changed of a host, for people. */
export function hostChanges(before: Keeping, after: Keeping): UntoldEvent[] {
  const changes: UntoldEvent[] = [];
  const host = after.id;
  if (before.state !== after.state) changes.push({ type: `host.${after.state}`, data: { host } });
  const owners = ownersOf(after);
  if (owners.join("\n") === ownersOf(before).join("\n")) return changes;
  const message = after.cordons.at(-1)?.message;
  changes.push({
    type: owners.length === 0 ? "host.uncordoned" : "host.cordoned",
    data: {
      host,
      ...(owners.length === 0 ? {} : { owners: owners.slice(0, OWNERS_MAX) }),
      ...(message === undefined ? {} : { message }),
    },
  });
  return changes;
}

function ownersOf({ cordons }: Keeping): string[] {
  return cordons.map(({ owner }) => owner).sort();
}

export function hostSilent(host: HostId, since: string): UntoldEvent {
  return { type: "host.silent", data: { host, message: `not heard since ${since}` } };
}

export function hostHeard(host: HostId): UntoldEvent {
  return { type: "host.heard", data: { host } };
}

export function runStateChanged(
  vm: VmId,
  host: HostId,
  seen: { readonly runState: string; readonly reason?: string | undefined },
): UntoldEvent {
  const { runState, reason } = seen;
  const why = reason === undefined ? {} : { message: reason };
  return { type: "vm.run-state", data: { vm, host, runState, ...why } };
}

export function guestEnded(vm: VmId, host: HostId, detail: string | undefined): UntoldEvent {
  const why = detail === undefined ? {} : { message: detail };
  return { type: "vm.ended", data: { vm, host, ...why } };
}

export function guestUnknown(vm: VmId, host: HostId, detail: string): UntoldEvent {
  return { type: "vm.unknown", data: { vm, host, message: detail } };
}

type PlannedMove = {
  readonly evacuation: EvacuationId;
  readonly vm: VmId;
  readonly source: HostId;
  readonly target: HostId | undefined;
  readonly notice: Notice;
};

function moveOf({ evacuation, vm, source, target }: PlannedMove) {
  return { evacuation, vm, source, ...(target === undefined ? {} : { target }) };
}

/** @param plannedAt when it begins at the earliest if nobody acknowledges it */
export function movePlanned(move: PlannedMove, plannedAt: string, message: string): UntoldEvent {
  const { deadlineAt, latestAt, otherwise } = move.notice;
  const acknowledge = `/v1/evacuations/${move.evacuation}/moves/${move.vm}/acknowledge`;
  const times = { plannedAt, deadlineAt, ...(latestAt === deadlineAt ? {} : { latestAt }) };
  return {
    type: "vm.move-planned",
    data: { ...moveOf(move), message, ...times, otherwise, acknowledge },
  };
}

export function moveAcknowledged(move: PlannedMove): UntoldEvent {
  const { by, message, notBefore } = move.notice.acknowledged ?? {};
  return {
    type: "vm.move-acknowledged",
    data: {
      ...moveOf(move),
      ...(by === undefined ? {} : { by }),
      ...(message === undefined ? {} : { message }),
      ...(notBefore === undefined ? {} : { notBefore }),
    },
  };
}

export function moveHeld(move: PlannedMove): UntoldEvent {
  return { type: "vm.move-held", data: { ...moveOf(move), message: heldReason(move.notice) } };
}
