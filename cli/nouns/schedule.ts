import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { actingOf, authorOptions } from "../author.ts";
import { CliError } from "../exit/cli-error.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Input } from "../input.ts";
import { policyFrom, policyOptions } from "../migration-options.ts";
import type { Session } from "../session.ts";
import type { Argument, Noun, Option } from "../verb.ts";
import { limitOptions, limitsFrom } from "./plan.ts";
import { scheduleColumns, showPreview, showSchedule } from "./schedule-rows.ts";
import { windowVerbs } from "./schedule-windows.ts";

type NewSchedule = Parameters<Client["createSchedule"]>[0];
type Change = Parameters<Client["changeSchedule"]>[1];

const ROWS_DEFAULT = 20;
const WINDOWS_DEFAULT = 5;
const id: Argument = { name: "<schedule>", summary: "id of the schedule", of: "schedule" };

const fieldOptions: readonly Option[] = [
  { flags: "--cron <pattern>", summary: "starts again and again, such as '0 22 * * SAT'" },
  { flags: "--at <time>", summary: "starts once, such as 2026-12-05T22:00" },
  { flags: "--zone <zone>", summary: "whose clocks count, such as Europe/Berlin (default UTC)" },
  { flags: "--duration <time>", summary: "length of the window, such as 4h" },
  { flags: "--host <hosts...>", summary: "only these hosts", of: "host" },
  { flags: "--label <labels...>", summary: "only hosts with these labels, name=value" },
  {
    flags: "--needs <conditions...>",
    summary: "only hosts that need it: kernel<6.12.41, qemu!=11.1, patched=no, patched!=yes",
  },
  { flags: "--spread", summary: "an evacuation may need more than one window" },
  { flags: "--options <file>", summary: "options of the planner, as JSON" },
  ...limitOptions,
];

export const scheduleNoun: Noun = {
  name: "schedule",
  summary: "Schedules: hosts that are emptied in windows",
  verbs: [
    {
      name: "create",
      summary: "Have hosts emptied once, or again and again",
      operations: ["createSchedule"],
      arguments: [{ name: "<name>", summary: "for people" }],
      options: [
        ...fieldOptions,
        { flags: "--by <name>", summary: "who makes it (default: operator)" },
        { flags: "--approvers <number>", summary: "persons who must approve each plan" },
        { flags: "--dry-run", summary: "show what it would do, and record nothing" },
        ...policyOptions,
      ],
      details: "Exit 3: the window could not hold what it would empty now.",
      run: create,
    },
    {
      name: "list",
      summary: "List schedules, oldest first",
      operations: ["listSchedules"],
      options: [{ flags: "--limit <number>", summary: "so many at most (default 20)" }],
      run: async (session, input) => {
        const { api, output } = session;
        const rows = await allOf(api.listSchedules, input.whole("limit", 1) ?? ROWS_DEFAULT);
        output.list(rows, scheduleColumns(session), (row) => row.id);
        return undefined;
      },
    },
    {
      name: "show",
      summary: "Show a schedule with its windows, the next and the last ones",
      operations: ["getSchedule"],
      arguments: [id],
      run: async (session, input) =>
        showSchedule(session, await session.api.getSchedule(input.argument(0))),
    },
    {
      name: "preview",
      summary: "Show the next windows, and what would be emptied now",
      operations: ["previewSchedule"],
      arguments: [id],
      options: [{ flags: "--count <number>", summary: "so many windows (default 5)" }],
      run: async (session, input) => {
        const count = input.whole("count", 1) ?? WINDOWS_DEFAULT;
        const given = input.argument(0);
        return showPreview(session, given, await session.api.previewSchedule(given, count));
      },
    },
    {
      name: "change",
      summary: "Change a schedule: it holds at once, in an open window, too",
      operations: ["changeSchedule"],
      arguments: [id],
      options: [
        { flags: "--name <name>", summary: "for people" },
        ...fieldOptions,
        { flags: "--no-spread", summary: "an evacuation must fit one window" },
      ],
      run: async (session, input) => {
        const change = await changeFrom(input);
        if (Object.keys(change).length === 0) {
          throw new CliError("usage", "Expected something to change: --help lists it");
        }
        return showSchedule(session, await session.api.changeSchedule(input.argument(0), change));
      },
    },
    {
      name: "pause",
      summary: "Open no window from now on; what is under way goes on",
      operations: ["pauseSchedule"],
      arguments: [id],
      options: authorOptions,
      run: async (session, input) =>
        showSchedule(session, await session.api.pauseSchedule(input.argument(0), actingOf(input))),
    },
    {
      name: "resume",
      summary: "Open windows again, from the next one on",
      operations: ["resumeSchedule"],
      arguments: [id],
      run: async (session, input) =>
        showSchedule(session, await session.api.resumeSchedule(input.argument(0))),
    },
    ...windowVerbs,
    {
      name: "delete",
      summary: "Delete a schedule whose evacuations have ended",
      operations: ["deleteSchedule"],
      arguments: [id],
      run: async (session, input) => {
        const given = input.argument(0);
        await session.confirm(`Delete ${given}?`);
        await session.api.deleteSchedule(given);
        session.output.note(`${given} is gone`);
        return undefined;
      },
    },
  ],
};

async function create(session: Session, input: Input): Promise<ExitName | undefined> {
  // A change may remove approval and notice by null; a new schedule has none to remove.
  const { starts, durationMs, hosts, approval: _, notice: __, ...rest } = await changeFrom(input);
  if (starts === undefined) throw new CliError("usage", "Expected --cron or --at");
  if (durationMs === undefined) throw new CliError("usage", "Expected --duration, such as 4h");
  if (hosts === undefined) throw new CliError("usage", "Expected --host, --label or --needs");
  const by = input.text("by");
  const approvers = input.whole("approvers", 1);
  const wanted: NewSchedule = {
    ...rest,
    name: input.argument(0),
    starts,
    durationMs,
    hosts,
    policy: await policyFrom(input),
    ...(by === undefined ? {} : { by }),
    ...(approvers === undefined ? {} : { approval: { approvers } }),
  };
  if (!input.flag("dryRun")) return showSchedule(session, await session.api.createSchedule(wanted));
  const { preview } = await session.api.dryRunSchedule(wanted);
  return showPreview(session, wanted.name, preview);
}

async function changeFrom(input: Input): Promise<Change> {
  const name = input.text("name");
  const starts = startsFrom(input);
  const durationMs = input.durationMs("duration");
  const hosts = hostsFrom(input);
  const options = (await input.json("options")) as Change["options"];
  const limits = limitsFrom(input);
  const spread = input.flag("spread") ? true : input.isOff("spread") ? false : undefined;
  return {
    ...(name === undefined ? {} : { name }),
    ...(starts === undefined ? {} : { starts }),
    ...(durationMs === undefined ? {} : { durationMs }),
    ...(hosts === undefined ? {} : { hosts }),
    ...(spread === undefined ? {} : { spread }),
    ...(options === undefined ? {} : { options }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

function startsFrom(input: Input): NewSchedule["starts"] | undefined {
  const zone = input.text("zone") ?? "UTC";
  const cron = input.text("cron");
  const at = input.text("at");
  if (cron !== undefined && at !== undefined) {
    throw new CliError("usage", "Expected --cron or --at, got both");
  }
  if (cron !== undefined) return { cron, zone };
  if (at !== undefined) return { at, zone };
  if (input.text("zone") === undefined) return undefined;
  throw new CliError("usage", "Expected --cron or --at with --zone");
}

function hostsFrom(input: Input): NewSchedule["hosts"] | undefined {
  const ids = input.texts("host");
  const labels = input.texts("label").map(labelOf);
  const needs = input.texts("needs").map(conditionOf);
  if (ids.length + labels.length + needs.length === 0) return undefined;
  return {
    ...(ids.length === 0 ? {} : { ids: [...ids] }),
    labels: Object.fromEntries(labels),
    needs,
  };
}

function labelOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new CliError("usage", `Expected a label as name=value, got \`${text}\``);
  return [text.slice(0, at), text.slice(at + 1)];
}

type Condition = NonNullable<NonNullable<NewSchedule["hosts"]>["needs"]>[number];

function conditionOf(text: string): Condition {
  const [, name = "", operator = "", value = ""] = /^([^<=!]+)(<|!=|=)(.+)$/.exec(text) ?? [];
  const isFact = (given: string): given is "qemu" | "kernel" | "microcode" | "agent" =>
    ["qemu", "kernel", "microcode", "agent"].includes(given);
  if (isFact(name) && operator === "<") return { fact: name, below: value };
  if (isFact(name) && operator === "!=") return { fact: name, not: value };
  if (!isFact(name) && operator === "=") return { label: name, is: value };
  if (!isFact(name) && operator === "!=") return { label: name, not: value };
  throw new CliError(
    "usage",
    `Expected a condition such as kernel<6.12.41, qemu!=11.1 or patched=no, got \`${text}\``,
  );
}
