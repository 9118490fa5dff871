/** What agents' events and answers write into the record of a running migration. */
import type { ClimbedRung } from "../../core/convergence/ladder.ts";
import { TableBusy } from "../../core/errors.ts";
import type { HostId, MigrationId, VmId } from "../../core/id.ts";
import { STANDSTILLS_MAX, type Standstill } from "../../core/migration/migration.ts";
import { type GivenUp, withoutCapabilities } from "../../core/negotiate/given-up.ts";
import type { GuestEnd } from "../../core/vm-exit.ts";
import { keys } from "./keys.ts";
import { readMigration } from "./migration-record.ts";
import { updateRunning } from "./migration-update.ts";
import { toStoredAgreement } from "./stored-agreement.ts";
import { getItem, updateIf } from "./table.ts";

export type EventChange = {
  /** Fields that keep their first value. */
  first: Record<string, unknown>;
  /** Fields that take the newest value. */
  newest: Record<string, unknown>;
};

/** The host that emitted an event, and what it claims about itself. */
export type Emitter = {
  id: MigrationId;
  vm: VmId;
  epoch: number;
  host: HostId;
  /** The side that the host must be. */
  side: "source" | "target";
};

/**
 * Writes the changes of several events, oldest first, in one update. False, and nothing written, when
 * the host is not that side of the migration, the epoch differs, or the migration has ended.
 *
 * @param whenEnded the events may also come after the end
 */
export async function changeByEvents(
  emitter: Emitter,
  changes: EventChange[],
  whenEnded = false,
): Promise<boolean> {
  const oldestWins = changes.map(({ first }) => first).reverse();
  const first = Object.assign({}, ...oldestWins) as EventChange["first"];
  const newest = Object.assign({}, ...changes.map((change) => change.newest));
  const sets = [
    ...Object.keys(first).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
    ...Object.keys(newest).map((name) => `#${name} = :${name}`),
  ];
  const values = Object.entries({ ...first, ...newest });
  return updateIf({
    key: keys.migration(emitter.id),
    update: `SET ${[...sets, "#updatedAt = :now"].join(", ")}`,
    condition: `${whenEnded ? "" : "#status = :running AND "}#epoch = :epoch AND #vm = :vm AND #side = :host`,
    names: { "#side": emitter.side },
    values: {
      ...Object.fromEntries(values.map(([name, value]) => [`:${name}`, value])),
      ":now": new Date().toISOString(),
      ...(whenEnded ? {} : { ":running": "running" }),
      ":epoch": emitter.epoch,
      ":vm": emitter.vm,
      ":host": emitter.host,
    },
  });
}

/** True when the host is that side of the migration, running or ended. */
export async function isSideOf({ id, vm, epoch, host, side }: Emitter): Promise<boolean> {
  const item = await getItem(keys.migration(id));
  return item?.vm === vm && item.epoch === epoch && item[side] === host;
}

/**
 * Takes what the target's QEMU refused off the agreement, before the source is started. Only the
 * target of a running migration may do so.
 */
export async function recordGivenUp(
  id: MigrationId,
  host: HostId,
  givenUp: readonly GivenUp[],
): Promise<void> {
  if (givenUp.length === 0) return;
  const { agreement } = await readMigration(id);
  if (agreement === undefined) return;
  await updateRunning(id, {
    set: "#agreement = :agreement",
    condition: "#target = :host",
    values: {
      ":agreement": toStoredAgreement(withoutCapabilities(agreement, givenUp)),
      ":host": host,
    },
  });
}

/** Records where the prepared target listens. Only the target of a running migration may do so. */
export async function recordPrepared(
  id: MigrationId,
  host: HostId,
  prepared: {
    migrationUri: string;
    handover: { address: string; port: number };
    startMs: number;
    bootId?: string | undefined;
  },
): Promise<void> {
  const { startMs, migrationUri, handover, bootId } = prepared;
  const boot = bootId === undefined ? "" : ", #targetBootId = :bootId";
  await updateRunning(id, {
    set: `#prepared = if_not_exists(#prepared, :where), #targetStartMs = :startMs${boot}`,
    condition: "#target = :host",
    values: {
      ":where": { migrationUri, handover },
      ":startMs": startMs,
      ":host": host,
      ...(bootId === undefined ? {} : { ":bootId": bootId }),
    },
  });
}

/**
 * Records where the target listens after a break in postcopy; null: it has everything. The newest
 * value wins.
 */
export async function recordRecovery(
  id: MigrationId,
  host: HostId,
  uri: string | null,
): Promise<void> {
  await updateRunning(id, {
    set: "#recoveryUri = :uri",
    condition: "#target = :host",
    values: { ":uri": uri, ":host": host },
  });
}

/** Records a rung that the source climbed; the same rung again changes nothing. */
export async function recordRung(id: MigrationId, climbed: ClimbedRung): Promise<void> {
  await updateRunning(id, {
    set: "#rungs = list_append(if_not_exists(#rungs, :none), :climbed)",
    condition: "attribute_not_exists(#rungs) OR size(#rungs) < :rung",
    values: { ":climbed": [climbed], ":none": [], ":rung": climbed.rung },
  });
}

/** How often a standstill is tried to be written while others write. */
const STANDSTILL_TRIES_MAX = 3;

/**
 * Records a standstill, or the end of one, in a running or ended migration. Repeated, it changes
 * nothing.
 *
 * @throws TableBusy when other writers changed the standstills each time
 */
export async function recordStandstill(id: MigrationId, one: Standstill): Promise<void> {
  for (let attempt = 1; attempt <= STANDSTILL_TRIES_MAX; attempt += 1) {
    const { standstills = [] } = await readMigration(id);
    const place = standstills.findIndex(({ sinceMs }) => sinceMs === one.sinceMs);
    if (place !== -1) return endStandstill(id, place, one);
    if (standstills.length >= STANDSTILLS_MAX) return;
    const isFirst = standstills.length === 0;
    const isWritten = await updateIf({
      key: keys.migration(id),
      update: "SET #standstills = list_append(if_not_exists(#standstills, :none), :one)",
      condition: isFirst ? "attribute_not_exists(#standstills)" : "size(#standstills) = :size",
      values: {
        ":none": [],
        ":one": [one],
        ...(isFirst ? {} : { ":size": standstills.length }),
      },
    });
    if (isWritten) return;
  }
  throw new TableBusy(`Failed to write a standstill of ${id}`);
}

/** The end of the standstill at that place of the list, which only grows. */
async function endStandstill(id: MigrationId, place: number, { sinceMs, untilMs }: Standstill) {
  if (untilMs === undefined) return;
  const end = `#standstills[${place}].#untilMs`;
  await updateIf({
    key: keys.migration(id),
    update: `SET ${end} = if_not_exists(${end}, :until)`,
    condition: `#standstills[${place}].#sinceMs = :since`,
    values: { ":until": untilMs, ":since": sinceMs },
  });
}

/** Records how a side's QEMU process ended. False when the migration has ended before. */
export async function recordExit(
  id: MigrationId,
  side: "source" | "target",
  end: GuestEnd,
): Promise<boolean> {
  return updateRunning(id, {
    set: `#${side}Exit = if_not_exists(#${side}Exit, :end)`,
    values: { ":end": end },
  });
}
