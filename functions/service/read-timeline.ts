import type { MigrationId } from "../../core/id.ts";
import type { TimelineEntry } from "../../core/migration/migration.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import type { Listed, Page } from "../store/page.ts";
import { type Outcome, readSignals } from "../store/signals.ts";
import { listEntries } from "../store/timeline.ts";
import { requireMigration } from "./require-migration.ts";

type HostAnswer = NonNullable<Outcome["answer"]>;

/**
 * A page of the events of the hosts and the steps of the cloud, oldest first. The cloud's entries are
 * derived from the record: they cannot differ from it, and a repeated step adds none. They are few, and
 * come with the page of events that their time lies in.
 *
 * @throws Problem migration-not-found
 */
export async function readTimeline(id: MigrationId, page: Page): Promise<Listed<TimelineEntry>> {
  const [migration, { items: events, ...rest }, signals] = await Promise.all([
    requireMigration(id),
    listEntries(id, page),
    readSignals(id),
  ]);
  const answers = Object.values(signals?.raised ?? {}).flatMap(({ answer }) => answer ?? []);
  const after = page.after === undefined ? undefined : timeOf(page.after);
  const until = rest.next === undefined ? undefined : timeOf(rest.next);
  const derived = [...answers.map(answerEntry), ...cloudEntries(migration)].filter(
    ({ at }) => (after === undefined || at > after) && (until === undefined || at <= until),
  );
  const items = [...events, ...derived].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return { items, ...rest };
}

/** Of an event, by its cursor. */
function timeOf(cursor: string): string {
  return new Date(Number(cursor.slice(0, cursor.indexOf("#")))).toISOString();
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

function cloudEntries(migration: StoredMigration): TimelineEntry[] {
  const entry = (at: string, type: string, detail: Record<string, unknown>): TimelineEntry => ({
    at,
    origin: "cloud",
    type,
    detail,
  });
  const { status, runningOn, endState, failure } = migration;
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
      : [entry(migration.endedAt, "migration.ended", { status, runningOn, endState, failure })]),
  ];
}
