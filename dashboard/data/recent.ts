import type { Client } from "../../client/client.ts";
import { entriesOf } from "../../client/pages.ts";

/** Migrations of a period that are counted. */
const RECENT_MAX = 2_000;

type Listed = Awaited<ReturnType<Client["listMigrations"]>>["items"][number];

export type Recent = {
  readonly migrations: readonly Listed[];
  /** There are more than were read. */
  readonly isTruncated: boolean;
};

/** The migrations that were created in the last `periodMs`, newest first. */
export async function loadRecent(api: Client, periodMs: number, nowMs: number): Promise<Recent> {
  const migrations: Listed[] = [];
  for await (const one of entriesOf(api.listMigrations, RECENT_MAX)) {
    if (Date.parse(one.createdAt) < nowMs - periodMs) return { migrations, isTruncated: false };
    migrations.push(one);
  }
  return { migrations, isTruncated: migrations.length === RECENT_MAX };
}
