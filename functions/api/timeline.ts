import type { MigrationId } from "../../core/id.ts";
import type { TimelineEntry } from "../../core/migration.ts";
import { findMigration, type StoredMigration } from "../store/migrations.ts";
import { listEntries } from "../store/timeline.ts";
import { Problem } from "./problem.ts";

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
  const [migration, told] = await Promise.all([migrationOrProblem(id), listEntries(id)]);
  return [...told, ...ownEntries(migration)].sort((a, b) =>
    a.at < b.at ? -1 : a.at > b.at ? 1 : 0,
  );
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
