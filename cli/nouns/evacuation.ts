import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { actingOf, authorOptions } from "../author.ts";
import { CliError } from "../exit/cli-error.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import { followOptions } from "../follow.ts";
import type { Input } from "../input.ts";
import type { Session } from "../session.ts";
import type { Argument, Noun, Option, Verb } from "../verb.ts";
import { watchEvacuation } from "../watch/watch-evacuation.ts";
import { diffVerb } from "./evacuation-diff.ts";
import { reportVerb } from "./evacuation-report.ts";
import {
  evacuationColumns,
  followEvacuation,
  moveColumns,
  showEvacuation,
  showMove,
} from "./evacuation-rows.ts";
import { limitOptions, limitsFrom, planVerb, showVersion } from "./plan.ts";
import { rollbackPlanVerb } from "./rollback-plan.ts";

type Evacuation = Awaited<ReturnType<Client["getEvacuation"]>>;

const ROWS_DEFAULT = 20;
const id: Argument = { name: "<evacuation>", summary: "id of the evacuation", of: "evacuation" };
const vm: Argument = { name: "<vm>", summary: "the VM", of: "vm" };
const version = (required: boolean): Option => ({
  flags: "--version <number>",
  summary: "version of the plan",
  ...(required ? { required: true as const } : {}),
});

type Control = {
  readonly name: string;
  readonly summary: string;
  readonly operation: "reject" | "pause" | "resume" | "cancel" | "rollBack";
  /** Asked before; undefined: it harms nothing. */
  readonly question?: (id: string) => string;
};

const controls: readonly Control[] = [
  { name: "reject", summary: "Reject a version that nobody has approved", operation: "reject" },
  {
    name: "pause",
    summary: "Start nothing from now on; transfers in flight go on",
    operation: "pause",
  },
  {
    name: "resume",
    summary: "End the pauses of persons, and grant the error budget again",
    operation: "resume",
  },
  {
    name: "cancel",
    summary: "Start nothing else: what has moved stays where it is",
    operation: "cancel",
    question: (name) => `Cancel ${name}? What has moved is not moved back.`,
  },
  {
    name: "rollback",
    summary: "Move back what has moved, also after the end",
    operation: "rollBack",
    question: (name) => `Move back every VM that ${name} has moved?`,
  },
];

export const evacuationNoun: Noun = {
  name: "evacuation",
  summary: "Evacuations: hosts that are emptied by an approved plan",
  verbs: [
    planVerb,
    {
      name: "list",
      summary: "List evacuations, newest first",
      operations: ["listEvacuations"],
      options: [{ flags: "--limit <number>", summary: "so many at most (default 20)" }],
      run: async ({ api, output }, input) => {
        const rows = await allOf(api.listEvacuations, input.whole("limit", 1) ?? ROWS_DEFAULT);
        output.list(rows, evacuationColumns(Date.now()), (row) => row.id);
        return undefined;
      },
    },
    {
      name: "show",
      summary: "Show an evacuation, or a version of its plan",
      operations: ["getEvacuation", "getEvacuationPlan"],
      arguments: [id],
      options: [version(false)],
      run: async (session, input) => {
        const wanted = input.whole("version", 1);
        const given = input.argument(0);
        if (wanted !== undefined) return showVersion(session, given, wanted);
        return showEvacuation(session, await session.api.getEvacuation(given));
      },
    },
    diffVerb,
    {
      name: "moves",
      summary: "List the VMs of an evacuation with what became of each",
      operations: ["listEvacuationMoves"],
      arguments: [id],
      options: [{ flags: "--state <state>", summary: "only in this state, such as failed" }],
      run: async ({ api, output }, input) => {
        const state = input.text("state");
        const all = await allOf((page) => api.listEvacuationMoves(input.argument(0), page));
        const rows = state === undefined ? all : all.filter((one) => one.state === state);
        output.list(rows, moveColumns, (row) => row.vm);
        return undefined;
      },
    },
    {
      name: "watch",
      summary: "Follow an evacuation to its end",
      operations: ["getEvacuation", "listEvacuationMoves", "getFleet"],
      arguments: [id],
      options: [
        { flags: "--timeout <time>", summary: "follow so long at most, such as 10m; then exit 8" },
      ],
      run: (session, input) =>
        watchEvacuation(session, input.argument(0), {
          shows: true,
          timeoutMs: input.durationMs("timeout"),
        }),
    },
    reportVerb,
    {
      name: "approve",
      summary: "Approve the version of the plan that was read; then it starts",
      operations: ["approveEvacuation", "getEvacuation"],
      arguments: [id],
      options: [version(true), { flags: "--by <name>", summary: "who approves" }, ...followOptions],
      details: "Exit 6: another version is the one to approve.",
      run: approve,
    },
    ...controlVerbs(),
    rollbackPlanVerb(id),
    ...moveVerbs(),
    {
      name: "acknowledge",
      summary: "Acknowledge the move of a VM, as its owner: it waits no more",
      operations: ["acknowledgeEvacuationVm"],
      arguments: [id, vm],
      options: [
        { flags: "--not-before <time>", summary: "an instant such as 2026-12-01T22:00:00Z" },
        ...authorOptions,
      ],
      run: async ({ api, output }, input) => {
        const notBefore = input.instant("notBefore");
        const by = { ...actingOf(input), ...(notBefore === undefined ? {} : { notBefore }) };
        const given = input.argument(0);
        return showMove(output, await api.acknowledgeEvacuationVm(given, input.argument(1), by));
      },
    },
    {
      name: "limits",
      summary: "Change the limits of an evacuation: they hold from the next start on",
      operations: ["setEvacuationLimits"],
      arguments: [id],
      options: limitOptions,
      run: async (session, input) => {
        const limits = limitsFrom(input);
        if (Object.keys(limits).length === 0) {
          throw new CliError("usage", "Expected a limit to change: --help lists them");
        }
        return showEvacuation(
          session,
          await session.api.setEvacuationLimits(input.argument(0), limits),
        );
      },
    },
  ],
};

async function approve(session: Session, input: Input): Promise<ExitName> {
  const wanted = input.whole("version", 1) ?? 0;
  const approved = await session.api.approveEvacuation(input.argument(0), wanted, input.text("by"));
  if (approved.status === "planned") {
    const given = approved.approvals.filter((one) => one.version === wanted).length;
    session.output.note(
      `Approved by ${given} of ${approved.approval.approvers}: nothing starts yet`,
    );
    showEvacuation(session, approved);
    return "done";
  }
  return followEvacuation(session, input, approved);
}

function controlVerbs(): Verb[] {
  return controls.map(({ name, summary, operation, question }) => ({
    name,
    summary,
    operations: [`${operation}Evacuation`],
    arguments: [id],
    options: authorOptions,
    run: async (session, input) => {
      const given = input.argument(0);
      if (question !== undefined) await session.confirm(question(given));
      const by = actingOf(input);
      const changed: Evacuation = await session.api[`${operation}Evacuation`](given, by);
      return showEvacuation(session, changed);
    },
  }));
}

function moveVerbs(): Verb[] {
  const words = {
    skip: "Leave a VM where it is",
    retry: "Find a place for a VM that was left, also after the end",
  } as const;
  return (["skip", "retry"] as const).map((name) => ({
    name,
    summary: words[name],
    operations: [`${name}EvacuationVm`],
    arguments: [id, vm],
    options: authorOptions,
    run: async ({ api, output }, input) => {
      const given = input.argument(0);
      const move = await api[`${name}EvacuationVm`](given, input.argument(1), actingOf(input));
      return showMove(output, move);
    },
  }));
}
