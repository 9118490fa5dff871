import type { MigrationId } from "../../core/id.ts";
import type { TimelineEntry } from "../../core/migration/migration.ts";
import { Problem } from "../http/problem.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";
import { type Outcome, readSignals } from "../store/signals.ts";
import { listEntries } from "../store/timeline.ts";

type HostAnswer = NonNullable<Outcome["answer"]>;

/** @throws Problem migration-not-found */
export async function migrationOrProblem(id: MigrationId): Promise<StoredMigration> {
  const migration = await findMigration(id);
  if (migration !== undefined) return migration;
  throw new Problem(404, "migration-not-found", `There is no migration ${id}`);
}

/**
 * What hosts told and what the cloud did, oldest first. The cloud's own lines are read out of the
 * record, so that they cannot differ from it and a repeated step adds none.
 */
export async function timelineOf(id: MigrationId): Promise<TimelineEntry[]> {
  const [migration, told, signals] = await Promise.all([
    migrationOrProblem(id),
    listEntries(id),
    readSignals(id),
  ]);
  const answers = Object.values(signals?.raised ?? {}).flatMap(({ answer }) => answer ?? []);
  return [...told, ...answers.map(answerEntry), ...ownEntries(migration)].sort((a, b) =>
    a.at < b.at ? -1 : a.at > b.at ? 1 : 0,
  );
}

/** A host's answer to a command. */
function answerEntry({ host, atMs, verb, error }: HostAnswer): TimelineEntry {
  return {
    at: new Date(atMs).toISOString(),
    origin: host,
    type: error === undefined ? "command.completed" : "command.failed",
    detail: { verb, ...error },
  };
}

function ownEntries(migration: StoredMigration): TimelineEntry[] {
  const entry = (at: string, type: string, detail: Record<string, unknown>): TimelineEntry => ({
    at,
    origin: "cloud",
    type,
    detail,
  });
  const { status, runningOn, failure } = migration;
  return [
    entry(migration.createdAt, "migration.requested", {
      source: migration.source,
      target: migration.target,
    }),
    ...migration.phases.map(({ name, startedAt }) =>
      entry(startedAt, "phase.entered", { phase: name }),
    ),
    ...migration.decisions.map(({ at, ...detail }) => entry(at, "reconcile.decided", detail)),
    ...(migration.cancelRequestedAt === undefined
      ? []
      : [entry(migration.cancelRequestedAt, "cancel.requested", {})]),
    ...(migration.endedAt === undefined
      ? []
      : [entry(migration.endedAt, "migration.ended", { status, runningOn, failure })]),
  ];
}
