import { allOf } from "../../client/pages.ts";
import { bytes, duration, rate } from "../../core/format.ts";
import { CliError } from "../exit/cli-error.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import { followOptions } from "../follow.ts";
import { type Input, parseBytesPerSecond } from "../input.ts";
import {
  choiceColumns,
  dryRunOptions,
  followMigration,
  startMigration,
} from "../migration-options.ts";
import type { Output } from "../output/output.ts";
import type { Session } from "../session.ts";
import type { Argument, Noun, Option } from "../verb.ts";
import { resultLines } from "../watch/migration-lines.ts";
import { watchMigration } from "../watch/watch-migration.ts";
import { downtimeText, listMigrationRows, type Migration } from "./migration-rows.ts";

const id: Argument = { name: "<migration>", summary: "id of the migration", of: "migration" };
const limit: Option = { flags: "--limit <number>", summary: "so many at most (default 20)" };

export const migrationNoun: Noun = {
  name: "migration",
  summary: "Migrations: what they do, and what to do about them",
  verbs: [
    {
      name: "list",
      summary: "List migrations, newest first",
      operations: ["listMigrations"],
      options: [
        { flags: "--vm <vm>", summary: "only of this VM", of: "vm" },
        { flags: "--status <statuses>", summary: "only these, such as running,unknown" },
        limit,
      ],
      run: (session, input) => {
        const vm = input.text("vm");
        const status = input.text("status");
        return listMigrationRows(session, input, {
          ...(vm === undefined ? {} : { vm }),
          ...(status === undefined ? {} : { status }),
        });
      },
    },
    {
      name: "show",
      summary: "Show a migration",
      operations: ["getMigration"],
      arguments: [id],
      run: async (session, input) =>
        showMigration(session, await session.api.getMigration(input.argument(0))),
    },
    {
      name: "watch",
      summary: "Follow a migration to its end",
      operations: ["getMigration"],
      arguments: [id],
      options: [
        { flags: "--timeout <time>", summary: "follow so long at most, such as 10m; then exit 8" },
      ],
      run: (session, input) =>
        watchMigration(session, input.argument(0), {
          shows: true,
          timeoutMs: input.durationMs("timeout"),
        }),
    },
    {
      name: "cancel",
      summary: "Cancel a migration: the guest stays on the source",
      operations: ["cancelMigration", "getMigration"],
      arguments: [id],
      options: [
        { flags: "--wait", summary: "wait until it has ended; exit 0 when it is cancelled" },
      ],
      run: cancelMigration,
    },
    {
      name: "switchover",
      summary: "Permit a gated migration to switch over",
      operations: ["permitSwitchover", "getMigration"],
      arguments: [id],
      options: followOptions,
      run: async (session, input) =>
        followMigration(session, input, await session.api.permitSwitchover(input.argument(0))),
    },
    {
      name: "waive-ack",
      summary: "End the wait for an overdue ACK: a successor goes without it",
      operations: ["waiveAck", "getMigration"],
      arguments: [id],
      options: followOptions,
      run: async (session, input) => {
        await session.confirm("Go without the ACK? Devices may load slowly: a longer downtime.");
        return followMigration(session, input, await session.api.waiveAck(input.argument(0)));
      },
    },
    {
      name: "limit",
      summary: "Change the bandwidth limit of a running migration",
      operations: ["setBandwidth"],
      arguments: [id, { name: "<rate>", summary: "B/s such as 500M; 0 is unlimited" }],
      run: async ({ api, output }, input) => {
        const wanted = parseBytesPerSecond("rate", input.argument(1));
        const changed = await api.setBandwidth(input.argument(0), wanted);
        output.object(changed, changed.id, [
          ["migration", changed.id],
          ["limit", wanted === 0 ? "unlimited" : rate(wanted)],
        ]);
        return undefined;
      },
    },
    {
      name: "timeline",
      summary: "List the events of both hosts and the steps of the cloud",
      operations: ["getTimeline"],
      arguments: [id],
      run: async (session, input) => {
        session.output.list(
          await allOf((page) => session.api.getTimeline(input.argument(0), page)),
          [
            { name: "AT", text: ({ at }) => momentOf(session, at), sortBy: ({ at }) => at },
            { name: "ORIGIN", text: ({ origin }) => origin },
            { name: "EVENT", text: ({ type }) => type },
            { name: "DETAIL", text: ({ detail }) => detailText(detail, session.output) },
          ],
          ({ type }) => type,
        );
        return undefined;
      },
    },
    {
      name: "samples",
      summary: "List the progress of a migration, oldest first",
      operations: ["listSamples"],
      arguments: [id],
      options: [{ flags: "--limit <number>", summary: "so many at most" }],
      run: listSamples,
    },
    {
      name: "explain",
      summary: "List the settings of a migration and why each was chosen",
      operations: ["getMigration"],
      arguments: [id],
      run: async ({ api, output }, input) => {
        const { agreement } = await api.getMigration(input.argument(0));
        if (agreement === undefined) {
          throw new CliError("refused", "Nothing is agreed: it has not been negotiated");
        }
        const isShort = output.format === "table";
        const chosen = agreement.choices.filter(({ reason }) => !(isShort && isDefault(reason)));
        output.list(chosen, choiceColumns, ({ subject }) => subject);
        const left = agreement.choices.length - chosen.length;
        if (left > 0) output.note(`${left} more are QEMU's defaults: -o wide lists them`);
        return undefined;
      },
    },
    {
      name: "retry",
      summary: "Move the VM of an ended migration again, with the same policy",
      operations: ["getMigration", "createMigration"],
      arguments: [id],
      options: [...dryRunOptions, ...followOptions],
      run: async (session, input) => {
        const { vm, target, policy } = await session.api.getMigration(input.argument(0));
        return startMigration(session, input, { vm, target, policy });
      },
    },
  ],
};

function showMigration(session: Session, shown: Migration): undefined {
  const { output } = session;
  if (output.isForPeople) {
    const lines = shown.status === "running" ? [] : resultLines(shown, output.width);
    for (const line of lines) output.text(line);
  }
  const { prediction, policy, failure, figures } = shown;
  output.object(shown, shown.id, [
    ["migration", shown.id],
    ["vm", shown.vm],
    ["from, to", `${shown.source} → ${shown.target}`],
    ["status", shown.status],
    ["phase", shown.status === "running" ? shown.phase : undefined],
    ["phases", shown.phases.map(({ name }) => name).join(", ")],
    ...queueLines(session, shown),
    ["failure", failure?.code],
    ["downtime", downtimeText(shown)],
    [
      "expected",
      prediction === undefined ? undefined : `${duration(prediction.downtimeMs)} at most`,
    ],
    [
      "budget",
      policy.downtimeBudgetMs === undefined ? undefined : duration(policy.downtimeBudgetMs),
    ],
    ["blackout", shown.blackoutMs === undefined ? undefined : duration(shown.blackoutMs)],
    ["memory sent", bytesOf(figures?.progress.ramTransferredBytes)],
    ["successor", shown.successor],
    ["predecessor", shown.predecessor],
    ["created", session.time(shown.createdAt)],
    ["ended", shown.endedAt === undefined ? undefined : session.time(shown.endedAt)],
  ]);
  return undefined;
}

/** Of a migration that waits for slots or memory. */
function queueLines(session: Session, { queue }: Migration): [string, string | undefined][] {
  if (queue === undefined) return [];
  const { place, waitsFor, expectedStartAt, deadlineAt } = queue;
  return [
    ["waits for", waitsFor.join("; ")],
    ["place", place === undefined ? undefined : String(place)],
    ["starts", expectedStartAt === undefined ? undefined : session.time(expectedStartAt)],
    ["fails", session.time(deadlineAt)],
  ];
}

function bytesOf(count: number | undefined): string | undefined {
  return count === undefined ? undefined : bytes(count);
}

async function cancelMigration(session: Session, input: Input): Promise<ExitName | undefined> {
  const { api, output } = session;
  const cancelled = await api.cancelMigration(input.argument(0));
  if (!input.flag("wait")) {
    output.object(cancelled, cancelled.id, [
      ["migration", cancelled.id],
      ["status", "being cancelled: the guest stays on the source"],
    ]);
    return undefined;
  }
  const exit = await watchMigration(session, cancelled.id, { shows: false });
  const { status } = await api.getMigration(cancelled.id);
  return status === "cancelled" ? "done" : status === "completed" ? "failed" : exit;
}

/** Negotiation sets what an earlier migration may have changed. */
function isDefault(reason: string): boolean {
  return reason.startsWith("QEMU's default, set because");
}

async function listSamples({ api, output }: Session, input: Input): Promise<undefined> {
  const samples = await allOf(
    (page) => api.listSamples(input.argument(0), page),
    input.whole("limit", 1),
  );
  const [first] = samples;
  const startMs = first === undefined ? 0 : Date.parse(first.at);
  output.list(
    samples,
    [
      { name: "AFTER", text: ({ at }) => duration(Date.parse(at) - startMs) },
      { name: "STATUS", text: ({ progress }) => progress.status },
      { name: "PASS", text: ({ progress }) => String(progress.dirtySyncCount ?? "") },
      { name: "LEFT", text: ({ progress }) => bytesOf(progress.ramRemainingBytes) ?? "" },
      { name: "SENT", text: ({ progress }) => bytesOf(progress.ramTransferredBytes) ?? "" },
      { name: "RATE", text: ({ progress }) => rateOf(progress.bandwidthBytesPerSecond) },
      { name: "DIRTIED", text: ({ progress }) => rateOf(progress.dirtyBytesPerSecond) },
    ],
    ({ at }) => at,
    "It was over before the first sample",
  );
  return undefined;
}

function rateOf(bytesPerSecond: number | undefined): string {
  return bytesPerSecond === undefined ? "" : rate(bytesPerSecond);
}

/** `phase=admit`, with short values only: `-o json` has them all. */
/** Steps of one second differ in their milliseconds. */
function momentOf(session: Session, at: string): string {
  const [, ms = "000"] = /\.(\d{3})/.exec(at) ?? [];
  return session.time(at).replace(/Z?$/, (zone) => `.${ms}${zone}`);
}

/** Values of one word; whole objects are for `-o wide`. */
function detailText(detail: Record<string, unknown>, { format }: Output): string {
  return Object.entries(detail)
    .filter(([, value]) => value !== undefined && value !== null)
    .filter(([, value]) => typeof value !== "object" || format === "wide")
    .map(([name, value]) => `${name}=${wordOf(value)}`)
    .join(" ");
}

function wordOf(value: unknown): string {
  if (typeof value === "number") return String(Math.round(value * 10) / 10);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
