import { allOf } from "../../client/pages.ts";
import { duration } from "../../core/format.ts";
import { actingOf, authorOptions } from "../author.ts";
import { CliError } from "../exit/cli-error.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Input } from "../input.ts";
import type { Column } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Argument, Verb } from "../verb.ts";
import { type Schedule, showPreview, showSchedule } from "./schedule-rows.ts";

const ROWS_DEFAULT = 20;
const id: Argument = { name: "<schedule>", summary: "id of the schedule", of: "schedule" };

/** What a person does with single windows. */
export const windowVerbs: readonly Verb[] = [
  {
    name: "next",
    summary: "List the next windows, of one schedule or of all, the first ones first",
    operations: ["listSchedules", "getSchedule"],
    arguments: [{ ...id, name: "[schedule]" }],
    options: [{ flags: "--limit <number>", summary: "so many at most (default 20)" }],
    run: listNext,
  },
  {
    name: "run-now",
    summary: "Open a window now, besides the starts, as long as every other one",
    operations: ["runSchedule"],
    arguments: [id],
    options: [
      { flags: "--dry-run", summary: "show what it would do, and change nothing" },
      ...authorOptions,
    ],
    details: "It ends when the next window begins. While it is open, the command changes nothing.",
    run: runNow,
  },
  {
    name: "skip-next",
    summary: "Let the next window not open",
    operations: ["getSchedule", "skipWindow", "unskipWindow"],
    arguments: [id],
    options: [
      { flags: "--at <time>", summary: "the window of this start, as `schedule next` lists it" },
      { flags: "--undo", summary: "let the next window that is skipped open after all" },
      ...authorOptions,
    ],
    details:
      "At the latest a minute before its start. Without --at the command skips one more window each\n" +
      "time; a script names the start.",
    run: skipNext,
  },
];

type Window = {
  readonly schedule: string;
  readonly name: string;
  readonly startsAt: string;
  readonly endsAt: string;
  /** Why it does not open, or holds nothing; for people. */
  readonly note: string;
};

async function listNext(session: Session, input: Input): Promise<undefined> {
  const { api, output } = session;
  const [given] = input.arguments;
  const schedules =
    given === undefined ? await allOf(api.listSchedules) : [await api.getSchedule(given)];
  const windows = schedules
    .flatMap(windowsOf)
    .toSorted((a, b) => (a.startsAt < b.startsAt ? -1 : 1))
    .slice(0, input.whole("limit", 1) ?? ROWS_DEFAULT);
  output.list(windows, columns(session), ({ schedule }) => schedule);
  return undefined;
}

function windowsOf({ id: schedule, name, next, skipped = [], durationMs }: Schedule): Window[] {
  const of = { schedule, name };
  return [
    ...next.map(({ startsAt, endsAt, open }) => ({
      ...of,
      startsAt,
      endsAt,
      note: open.length === 0 ? "held by a change freeze" : "",
    })),
    ...skipped.map(({ startsAt, author }) => ({
      ...of,
      startsAt,
      endsAt: new Date(Date.parse(startsAt) + durationMs).toISOString(),
      note: `skipped by ${author}`,
    })),
  ];
}

function columns(session: Session): Column<Window>[] {
  return [
    {
      name: "STARTS",
      text: ({ startsAt }) => session.time(startsAt),
      sortBy: ({ startsAt }) => startsAt,
    },
    {
      name: "FOR",
      text: ({ startsAt, endsAt }) => duration(Date.parse(endsAt) - Date.parse(startsAt)),
    },
    { name: "NAME", text: ({ name }) => name },
    { name: "SCHEDULE", text: ({ schedule }) => schedule, wide: true },
    { name: "NOTE", text: ({ note }) => note },
  ];
}

async function runNow(session: Session, input: Input): Promise<ExitName | undefined> {
  const { api, output } = session;
  const given = input.argument(0);
  const by = actingOf(input);
  if (input.flag("dryRun")) {
    const { preview } = await api.dryRunScheduleNow(given, by);
    return showPreview(session, given, preview);
  }
  const ran = await api.runSchedule(given, by);
  showSchedule(session, ran);
  const { outcome, reason, evacuation } = ran.runs?.[0] ?? {};
  if (evacuation !== undefined) output.note(`Follow it: switchyard evacuation watch ${evacuation}`);
  else output.note(`Nothing was started: ${reason ?? outcome}`);
  return outcome === "refused" ? "refused" : undefined;
}

async function skipNext(session: Session, input: Input): Promise<undefined> {
  const { api, output } = session;
  const given = input.argument(0);
  const undo = input.flag("undo");
  const at = input.instant("at") ?? (await nextOf(session, given, undo));
  const by = actingOf(input);
  const changed = undo
    ? await api.unskipWindow(given, at, by)
    : await api.skipWindow(given, at, by);
  showSchedule(session, changed);
  output.note(`The window of ${session.time(at)} ${undo ? "opens after all" : "does not open"}`);
  return undefined;
}

/** @throws CliError when there is none */
async function nextOf({ api }: Session, given: string, isSkipped: boolean): Promise<string> {
  const { next, skipped = [] } = await api.getSchedule(given);
  const [first] = isSkipped ? skipped : next;
  if (first !== undefined) return first.startsAt;
  const what = isSkipped ? "No window is skipped" : "No window follows";
  throw new CliError("refused", what, `switchyard schedule show ${given}`);
}
