import type { Client } from "../../client/client.ts";
import { bytes, duration } from "../../core/format.ts";
import { type PlanDifference, planDifferences } from "../../core/plan/plan-diff.ts";
import { CliError } from "../exit/cli-error.ts";
import type { Input } from "../input.ts";
import { type Column, renderTable } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { planOf } from "./plan.ts";

type PlanVersion = Awaited<ReturnType<Client["getEvacuationPlan"]>>;
type Compared = { readonly before: PlanVersion; readonly after: PlanVersion };

export const diffVerb: Verb = {
  name: "diff",
  summary: "Compare two versions of the plan: the newest and the one before it",
  operations: ["getEvacuation", "getEvacuationPlan"],
  arguments: [
    { name: "<evacuation>", summary: "id of the evacuation", of: "evacuation" },
    { name: "[before]", summary: "version to compare with (default: the one before [after])" },
    { name: "[after]", summary: "version (default: the newest)" },
  ],
  details:
    "A version that was made while the evacuation ran covers what had not moved by then: the rest is\n" +
    "`not in it`. The lower bound is of what the version covers.",
  run: runDiff,
};

async function runDiff({ api, output }: Session, input: Input): Promise<undefined> {
  const id = input.argument(0);
  const [first, last] = await versionsFrom(api, input);
  const [before, after] = await Promise.all([
    api.getEvacuationPlan(id, first),
    api.getEvacuationPlan(id, last),
  ]);
  const differences = planDifferences(planOf(before.plan), planOf(after.plan));
  if (output.format === "json") {
    output.json({ evacuation: id, ...sides({ before, after }), differences });
    return undefined;
  }
  if (output.isForPeople) {
    output.text(`${id}   version ${first} → ${last}   ${after.reason}`);
    for (const line of totalLines({ before, after })) output.text(line);
    if (differences.length === 0) output.text("Each VM goes to the same host in both.");
  }
  if (differences.length > 0 || !output.isForPeople) {
    output.list(differences, columns(first, last), ({ vm }) => vm);
  }
  return undefined;
}

/** @throws CliError when there is nothing to compare */
async function versionsFrom(api: Client, input: Input): Promise<[number, number]> {
  const [, before, after] = input.arguments;
  if (before !== undefined && after !== undefined) return [whole(before), whole(after)];
  const { version } = await api.getEvacuation(input.argument(0));
  const first = before === undefined ? version - 1 : whole(before);
  if (first >= 1) return [first, version];
  throw new CliError(
    "usage",
    "The plan has one version: there is nothing to compare",
    `switchyard evacuation show ${input.argument(0)} --version 1`,
  );
}

function whole(text: string): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= 1) return value;
  throw new CliError(
    "usage",
    `Expected a version to be a whole number of at least 1, got \`${text}\``,
  );
}

function sides({ before, after }: Compared) {
  const side = ({ outline, reason, at, plan, changes }: PlanVersion) => {
    const { lowerBoundMs, bytes: toSend, longestDowntimeMs } = planOf(plan);
    return { ...outline, reason, at, changes, lowerBoundMs, bytes: toSend, longestDowntimeMs };
  };
  return { before: side(before), after: side(after) };
}

/** What the versions are in all, beside each other. */
function totalLines({ before, after }: Compared): string[] {
  const old = planOf(before.plan);
  const made = planOf(after.plan);
  const time = (a: number, b: number) => [duration(a), duration(b), signed(b - a)];
  const count = (a: number, b: number) => [
    `${a}`,
    `${b}`,
    a === b ? "" : `${b > a ? "+" : ""}${b - a}`,
  ];
  const rows = [
    ["ends after", ...time(before.outline.endMs, after.outline.endMs)],
    ["lower bound", ...time(old.lowerBoundMs, made.lowerBoundMs)],
    ["moves", ...count(old.moves.length, made.moves.length)],
    ["stay", ...count(old.unplaced.length, made.unplaced.length)],
    ["to send", bytes(old.bytes), bytes(made.bytes), ""],
    ["longest downtime", ...time(old.longestDowntimeMs, made.longestDowntimeMs)],
  ];
  const at = (place: number) => (row: string[]) => row[place] ?? "";
  return renderTable(
    rows,
    [
      { name: "IN ALL", text: at(0) },
      { name: `V${before.outline.version}`, text: at(1) },
      { name: `V${after.outline.version}`, text: at(2) },
      { name: "CHANGE", text: at(3) },
    ],
    Number.POSITIVE_INFINITY,
  );
}

function signed(ms: number): string {
  if (Math.abs(ms) < 0.5) return "";
  return `${ms > 0 ? "+" : "-"}${duration(Math.abs(ms))}`;
}

function columns(first: number, last: number): Column<PlanDifference>[] {
  return [
    { name: "VM", text: ({ vm }) => vm },
    { name: `V${first}`, text: ({ before, kind }) => placeText(before, kind === "new") },
    { name: `V${last}`, text: ({ after, kind }) => placeText(after, kind === "gone") },
    { name: "CHANGE", text: changeText },
  ];
}

function placeText(target: string | undefined, isAbsent: boolean): string {
  return isAbsent ? "not in it" : (target ?? "stays");
}

function changeText({ before, after, kind }: PlanDifference): string {
  if (kind === "new") return "added";
  if (kind === "gone") return "left out";
  if (before === undefined) return "has a place now";
  return after === undefined ? "has no place any more" : "another host";
}
