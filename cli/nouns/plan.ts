import type { Client } from "../../client/client.ts";
import { bytes, duration } from "../../core/format.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { CliError } from "../exit/cli-error.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import { followingOf, followOptions } from "../follow.ts";
import type { Input } from "../input.ts";
import { dryRunOptions, policyFrom, policyOptions } from "../migration-options.ts";
import { noticeFrom, noticeOptions } from "../notice-options.ts";
import { wrap } from "../output/table.ts";
import { requestOnce } from "../request-once.ts";
import type { Session } from "../session.ts";
import type { Argument, Option, Verb } from "../verb.ts";
import { followEvacuation } from "./evacuation-rows.ts";

type NewEvacuation = Parameters<Client["createEvacuation"]>[0];
type Limits = Parameters<Client["setEvacuationLimits"]>[1];

const UNPLACED_SHOWN_MAX = 10;
const FASTER_SHOWN_MAX = 3;
const hosts: Argument = { name: "<hosts...>", summary: "hosts to be emptied", of: "host" };

export const limitOptions: readonly Option[] = [
  { flags: "--moves-at-once <number>", summary: "moves at the same time, over all hosts" },
  { flags: "--error-budget <number>", summary: "VMs that may fail before it pauses" },
  { flags: "--move-bandwidth <rate>", summary: "of each move from now on, B/s; 0: no limit" },
];

const requestOptions: readonly Option[] = [
  { flags: "--by <name>", summary: "who plans it (default: operator)" },
  { flags: "--options <file>", summary: "options of the planner, as JSON" },
  { flags: "--approvers <number>", summary: "persons that must approve the same version" },
  { flags: "--other-approver", summary: "whoever plans it may not approve it" },
  ...limitOptions,
  ...noticeOptions,
  ...policyOptions,
  ...dryRunOptions.map((option) =>
    option.flags === "--dry-run"
      ? { ...option, summary: "plan on the control plane and record nothing" }
      : option,
  ),
];

export const planVerb: Verb = {
  name: "plan",
  summary: "Plan how hosts are emptied; nothing moves before it is approved",
  operations: ["createEvacuation", "getEvacuationPlan"],
  arguments: [hosts],
  options: requestOptions,
  run: async (session, input) => {
    if (input.flag("dryRun")) return dryRun(session, input);
    const { id } = await plan(session, input);
    session.output.note(`  approve  switchyard evacuation approve ${id} --version 1`);
    return undefined;
  },
};

export const evacuate: Verb = {
  name: "evacuate",
  summary: "Empty hosts: plan, ask, approve and follow",
  operations: ["createEvacuation", "getEvacuationPlan", "approveEvacuation", "getEvacuation"],
  arguments: [hosts],
  options: [...requestOptions, ...followOptions],
  details: "Ctrl-C while it is watched ends the watching, not the evacuation.",
  run: async (session, input) => {
    if (input.flag("dryRun")) return dryRun(session, input);
    followingOf(input, session.output);
    input.durationMs("timeout");
    if (!session.canConfirm) {
      throw new CliError(
        "usage",
        "Nobody can be asked here",
        "--yes, or switchyard evacuation plan",
      );
    }
    const made = await plan(session, input);
    await session.confirm(
      `Approve version 1 of ${made.id} and empty ${input.arguments.join(" ")}?`,
    );
    const approved = await session.api.approveEvacuation(made.id, made.version, input.text("by"));
    return followEvacuation(session, input, approved);
  },
};

/** @throws CliError when an option does not fit */
export function limitsFrom(input: Input): Limits {
  const movesAtOnce = input.whole("movesAtOnce", 1);
  const errorBudget = input.whole("errorBudget");
  const bandwidth = input.bytesPerSecond("moveBandwidth");
  return {
    ...(movesAtOnce === undefined ? {} : { movesAtOnce }),
    ...(errorBudget === undefined ? {} : { errorBudget }),
    ...(bandwidth === undefined ? {} : { maxBandwidthBytesPerSecond: bandwidth }),
  };
}

async function requestFrom(input: Input): Promise<NewEvacuation> {
  const by = input.text("by");
  const options = (await input.json("options")) as NewEvacuation["options"];
  const approvers = input.whole("approvers", 1);
  const notice = noticeFrom(input);
  return {
    hosts: [...input.arguments],
    policy: await policyFrom(input),
    limits: limitsFrom(input),
    approval: {
      ...(approvers === undefined ? {} : { approvers }),
      ...(input.flag("otherApprover") ? { otherThanPlanner: true } : {}),
    },
    ...(by === undefined ? {} : { by }),
    ...(options === undefined ? {} : { options }),
    ...(notice === undefined ? {} : { notice }),
  };
}

async function plan(session: Session, input: Input) {
  const wanted = await requestFrom(input);
  const made = await requestOnce(session, (key) => session.api.createEvacuation(wanted, key));
  const { output } = session;
  if (!output.isForPeople) {
    output.object(made, made.id, []);
    return made;
  }
  output.text(`Plan ${made.id}  version ${made.version}  empties ${input.arguments.join(" ")}`);
  const { plan: planned } = await session.api.getEvacuationPlan(made.id, made.version);
  for (const line of planLines(planOf(planned), output.width)) output.text(line);
  output.note("Nothing has been changed.");
  return made;
}

async function dryRun(session: Session, input: Input): Promise<ExitName> {
  const { output } = session;
  const answer = await session.api.dryRunEvacuation(await requestFrom(input));
  const planned = planOf(answer.plan);
  if (output.isForPeople) {
    output.text(`Would empty ${input.arguments.join(" ")}`);
    for (const line of planLines(planned, output.width)) output.text(line);
  } else output.object(answer, input.argument(0), []);
  if (planned.refusals.length > 0) return "refused";
  return input.flag("exitCode") && planned.moves.length > 0 ? "wouldMove" : "done";
}

export async function showVersion(
  { api, output }: Session,
  id: string,
  version: number,
): Promise<undefined> {
  const found = await api.getEvacuationPlan(id, version);
  if (!output.isForPeople) {
    output.object(found, String(version), []);
    return undefined;
  }
  output.text(`Plan ${id}  version ${version}  ${found.reason}`);
  for (const change of found.changes) output.text(`  differs    ${change}`);
  const planned = planOf(found.plan);
  for (const line of planLines(planned, output.width)) output.text(line);
  if (output.format === "wide") {
    output.list(
      planned.moves,
      [
        { name: "VM", text: ({ vm }) => vm },
        { name: "FROM", text: ({ source }) => source },
        { name: "TO", text: ({ target }) => target },
        { name: "STARTS AFTER", text: ({ startAtMs }) => duration(startAtMs) },
        { name: "TAKES", text: ({ startAtMs, endAtMs }) => duration(endAtMs - startAtMs) },
        { name: "SENDS", text: (move) => bytes(move.bytes) },
        { name: "DOWNTIME", text: ({ downtimeMs }) => duration(downtimeMs) },
      ],
      ({ vm }) => vm,
    );
  }
  return undefined;
}

/** The API's document says little of its shape: it is the planner's result as JSON. */
export function planOf(document: object): Plan {
  return document as unknown as Plan;
}

/** A plan for whoever approves it. */
export function planLines(planned: Plan, width: number): string[] {
  const { moves, eta, lowerBoundMs, bottleneck, unplaced, faster } = planned;
  const counts = Map.groupBy(moves, ({ target }) => target);
  const targets = [...counts].map(([target, list]) => `${target} ${list.length}`).join(", ");
  const band = `${duration(eta.lowMs)} to ${duration(eta.highMs)}`;
  const rows: [string, string][] = [
    ["moves", `${counted(moves.length, "VM")}, ${bytes(planned.bytes)} to send`],
    ["takes", `${duration(eta.ms)} (${band}), lower bound ${duration(lowerBoundMs)}`],
    ["bottleneck", bottleneck?.text ?? ""],
    ...faster.slice(0, FASTER_SHOWN_MAX).map(({ change }): [string, string] => ["faster", change]),
    ["goes to", targets],
    ["downtime", `${duration(planned.longestDowntimeMs)} at most expected`],
    ...unplaced
      .slice(0, UNPLACED_SHOWN_MAX)
      .map((one): [string, string] => ["stays", `${one.vm}: ${reasonsOf(planned, one)}`]),
    ["stays", unplaced.length > UNPLACED_SHOWN_MAX ? `${unplaced.length} VMs in all` : ""],
    ...planned.refusals.map(({ message, cure }): [string, string] => [
      "refused",
      `${message}. ${cure}`,
    ]),
    ...planned.warnings.map((text): [string, string] => ["warning", text]),
  ];
  return rows
    .filter(([, text]) => text !== "")
    .flatMap(([label, text]) =>
      wrap(`${text}`, width - 13, "  ").map(
        (part, place) => `  ${(place === 0 ? label : "").padEnd(10)} ${part}`,
      ),
    );
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

function reasonsOf(planned: Plan, { blockers, explanation }: Plan["unplaced"][number]): string {
  const ofHosts = planned.explanations[explanation]?.reasons ?? [];
  const codes = [...blockers, ...ofHosts.flatMap((reason) => reason.blockers)];
  return [...new Set(codes.map(({ code }) => code))].join(", ");
}
