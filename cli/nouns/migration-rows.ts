import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { age, bytes, duration } from "../../core/format.ts";
import type { Input } from "../input.ts";
import type { Column } from "../output/table.ts";
import type { Session } from "../session.ts";

type Query = NonNullable<Parameters<Client["listMigrations"]>[0]>;
export type Migration = Awaited<ReturnType<Client["getMigration"]>>;

const ROWS_DEFAULT = 20;

/** Lists migrations, newest first. */
export async function listMigrationRows(
  { api, output }: Session,
  input: Input,
  query: Omit<Query, "limit" | "after">,
): Promise<undefined> {
  const rows = await allOf(
    (page) => api.listMigrations({ ...query, ...page }),
    input.whole("limit", 1) ?? ROWS_DEFAULT,
  );
  output.list(rows, migrationColumns(Date.now()), ({ id }) => id);
  return undefined;
}

function migrationColumns(nowMs: number): Column<Migration>[] {
  return [
    { name: "MIGRATION", text: ({ id }) => id },
    { name: "VM", text: ({ vm }) => vm },
    { name: "FROM", text: ({ source }) => source },
    { name: "TO", text: ({ target }) => target },
    { name: "STATUS", text: statusText },
    { name: "DOWNTIME", text: downtimeText, sortBy: ({ figures }) => figures?.downtimeMs ?? -1 },
    { name: "TOOK", text: (one) => tookText(one, nowMs), wide: true },
    {
      name: "SENT",
      text: ({ figures }) => {
        const sent = figures?.progress.ramTransferredBytes;
        return sent === undefined ? "" : bytes(sent);
      },
      wide: true,
    },
    {
      name: "STARTED",
      text: ({ createdAt }) => `${age(nowMs - Date.parse(createdAt))} ago`,
      sortBy: ({ createdAt }) => createdAt,
    },
  ];
}

function statusText({ status, phase, failure }: Migration): string {
  if (status === "running") return phase;
  return failure === undefined ? status : failure.code;
}

export function downtimeText({ figures }: Pick<Migration, "figures">): string {
  return figures === undefined ? "" : duration(figures.downtimeMs);
}

function tookText({ createdAt, endedAt }: Migration, nowMs: number): string {
  const untilMs = endedAt === undefined ? nowMs : Date.parse(endedAt);
  return duration(Math.max(0, untilMs - Date.parse(createdAt)));
}
