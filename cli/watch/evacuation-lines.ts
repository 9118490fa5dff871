import type { Evacuation, EvacuationMove } from "../../core/evacuation/evacuation.ts";
import { noticeDueAt } from "../../core/evacuation/noticing.ts";
import { bytes, duration } from "../../core/format.ts";
import { remainingBytes } from "../../core/migration/estimate.ts";
import { type Column, renderTable, wrap } from "../output/table.ts";
import { isOver } from "./exit-of-evacuation.ts";
import { endText, type Shown } from "./migration-lines.ts";

const BAR_WIDTH = 26;
/** Rows of a frame: it stays shorter than a terminal. */
const MOVING_SHOWN_MAX = 10;
const ENDED_SHOWN_MAX = 3;
const WAITING_SHOWN_MAX = 6;
const HOSTS_SHOWN_MAX = 3;
const NOTED_SHOWN_MAX = 5;
const NOTICED_SHOWN_MAX = 3;

export type EvacuationView = {
  readonly width: number;
  readonly moves: readonly EvacuationMove[];
  /** Migrations that run, by their ids. */
  readonly migrations: ReadonlyMap<string, Shown>;
};

/** What a person sees of an evacuation that goes on. */
export function evacuationFrame(evacuation: Evacuation, view: EvacuationView): string[] {
  const { id, counters, status } = evacuation;
  const { moved, total } = counters;
  const filled = total === 0 ? 0 : Math.round((moved / total) * BAR_WIDTH);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  return [
    `${hostNames(evacuation)}  ${bar}  ${countText(evacuation)}`,
    `${status}   ${endsText(evacuation)}`.trimEnd(),
    ...pauseLines(evacuation),
    ...movingLines(view),
    ...waitingLines(view),
    ...noticedLines(view),
    ...endedLines(view),
    ...nextLines(evacuation),
    `Ctrl-C stops watching, not the evacuation ${id}`,
  ].map((text) => (text.length > view.width ? `${text.slice(0, view.width - 1)}…` : text));
}

/** The same in one line, its first part new with each step. */
export function evacuationSummary(evacuation: Evacuation): string {
  const { status } = evacuation;
  return `${hostNames(evacuation)} ${status} ${countText(evacuation)}   ${endsText(evacuation)}`;
}

export function hostNames({ hosts }: Pick<Evacuation, "hosts">): string {
  const names = hosts.slice(0, HOSTS_SHOWN_MAX).map(({ host }) => host);
  const more = hosts.length - names.length;
  return `${names.join(" ")}${more > 0 ? ` and ${more} more` : ""}`;
}

export function countText({ counters }: Pick<Evacuation, "counters">): string {
  const { moved, total, noticed, failed, unplaced, skipped } = counters;
  const left = unplaced + skipped;
  const parts = [`${moved} of ${total} moved`];
  if (noticed > 0) parts.push(`${noticed} waiting for their owners`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (left > 0) parts.push(`${left} not to be moved`);
  return parts.join(", ");
}

/** When it ends, and the bound below which no schedule gets. */
export function endsText({ eta, status }: Pick<Evacuation, "eta" | "status">): string {
  const bound = `lower bound ${duration(eta.lowerBoundMs)}`;
  if (eta.realMs !== undefined) {
    const ratio = eta.ratio === undefined ? "" : `, ${eta.ratio.toFixed(2)} × the bound`;
    return `took ${duration(eta.realMs)}${ratio}${halfwayText(eta)}`;
  }
  if (isOver({ status })) return "";
  if (status === "planned" || eta.remainingMs === undefined) return `${bandText(eta)}, ${bound}`;
  return `ends in ${duration(Math.ceil(eta.remainingMs / 1000) * 1000)}, ${bound}`;
}

/** How far the end that was predicted at half-way was off. */
function halfwayText({ halfwayEndMs, realMs = 0 }: Evacuation["eta"]): string {
  if (halfwayEndMs === undefined || realMs === 0) return "";
  const share = Math.round((Math.abs(halfwayEndMs - realMs) / realMs) * 100);
  return `, end predicted at half-way ${share} % off`;
}

/** The plan's prediction with its band. */
export function bandText({ plannedMs, lowMs, highMs }: Evacuation["eta"]): string {
  return `takes ${duration(plannedMs)} (${duration(lowMs)} to ${duration(highMs)})`;
}

function pauseLines({ pauses }: Evacuation): string[] {
  return pauses.map(({ reason, author, message, endsWith }) => {
    const why = message === undefined ? "" : `, "${message}"`;
    return `! paused by ${author} (${reason}${why}): ${endsWith}`;
  });
}

type Moving = { readonly move: EvacuationMove; readonly migration: Shown | undefined };

const movingColumns: readonly Column<Moving>[] = [
  { name: "VM", text: ({ move }) => move.vm },
  { name: "TO", text: ({ move }) => move.target ?? "" },
  { name: "PHASE", text: ({ move, migration }) => migration?.phase ?? move.state },
  { name: "LEFT", text: ({ migration }) => leftText(migration) },
  { name: "ENDS", text: ({ migration }) => (migration === undefined ? "" : endText(migration)) },
  { name: "DOWNTIME", text: ({ move }) => expectedText(move) },
];

function movingLines({ moves, migrations, width }: EvacuationView): string[] {
  const rows = moves
    .filter(({ state }) => state === "moving" || state === "retrying")
    .map((move) => ({ move, migration: migrations.get(move.migration ?? "") }));
  if (rows.length === 0) return [];
  const more = rows.length - MOVING_SHOWN_MAX;
  return [
    ...renderTable(rows.slice(0, MOVING_SHOWN_MAX), movingColumns, width),
    ...(more > 0 ? [`… and ${more} more`] : []),
  ];
}

function leftText(migration: Shown | undefined): string {
  const left = migration === undefined ? undefined : remainingBytes(migration);
  return left === undefined ? "" : bytes(left);
}

function expectedText({ predictedDowntimeMs }: EvacuationMove): string {
  return predictedDowntimeMs === undefined ? "" : `${duration(predictedDowntimeMs)} exp.`;
}

function waitingLines({ moves }: EvacuationView): string[] {
  const waiting = moves
    .filter(({ state }) => state === "waiting")
    .toSorted((a, b) => (a.startAtMs ?? 0) - (b.startAtMs ?? 0));
  if (waiting.length === 0) return [];
  const names = waiting.slice(0, WAITING_SHOWN_MAX).map(({ vm }) => vm);
  const more = waiting.length - names.length;
  return [`next  ${names.join(" ")}${more > 0 ? ` and ${more} more` : ""}`];
}

/** VMs that wait for their owners, those that wait shortest first. */
function noticedLines({ moves }: EvacuationView): string[] {
  const noticed = moves
    .flatMap(({ vm, state, notice }) =>
      state === "noticed" && notice !== undefined ? [{ vm, dueAt: noticeDueAt(notice) }] : [],
    )
    .toSorted((a, b) => a.dueAt.localeCompare(b.dueAt));
  const shown = noticed.slice(0, NOTICED_SHOWN_MAX).map(({ vm, dueAt }) => `${vm} until ${dueAt}`);
  const more = noticed.length - shown.length;
  if (more > 0) shown.push(`${more} more`);
  return shown.length === 0 ? [] : [`owners  ${shown.join(", ")}`];
}

/** The newest ends. */
function endedLines({ moves }: EvacuationView): string[] {
  return moves
    .filter(({ state }) => ["moved", "failed", "gone", "skipped", "unplaced"].includes(state))
    .toSorted((a, b) => b.updatedAt.localeCompare(a.updatedAt))
    .slice(0, ENDED_SHOWN_MAX)
    .map(endedLine);
}

function endedLine({ vm, state, target, tries, reason, predictedDowntimeMs }: EvacuationMove) {
  if (state !== "moved") return `${state === "failed" ? "✗" : "–"} ${vm} ${state}: ${reason ?? ""}`;
  const downtimeMs = tries.at(-1)?.downtimeMs;
  const expected =
    predictedDowntimeMs === undefined ? "" : ` (${duration(predictedDowntimeMs)} expected)`;
  const stood = downtimeMs === undefined ? "" : `, downtime ${duration(downtimeMs)}${expected}`;
  return `✔ ${vm} on ${target}${stood}`;
}

/** What a person can do now. */
function nextLines({ id, status, version, pauses, offeredUntil }: Evacuation): string[] {
  const isAsked = pauses.some(({ reason }) => reason === "tolerance");
  if (status === "planned" || isAsked || offeredUntil !== undefined) {
    return [`approve  switchyard evacuation approve ${id} --version ${version}`];
  }
  if (status === "paused") return [`resume  switchyard evacuation resume ${id}`];
  if (status === "running") return [`cancel  switchyard evacuation cancel ${id}`];
  return [];
}

/** The last word on an evacuation, with each VM that is not where it should be. */
export function evacuationResult(
  evacuation: Evacuation,
  moves: readonly EvacuationMove[],
  width: number,
): string[] {
  const { id, status, unknownVms } = evacuation;
  const isGood = status === "completed" || status === "rolled-back";
  const words = [hostNames(evacuation), status, countText(evacuation), endsText(evacuation), id];
  const lines = [`${isGood ? "✔" : "✗"} ${words.filter((word) => word !== "").join("   ")}`];
  const kept = moves.filter(({ state }) => ["failed", "unplaced", "skipped"].includes(state));
  for (const { vm, state, reason, cure } of kept.slice(0, NOTED_SHOWN_MAX)) {
    lines.push(...wrap(`${vm} ${state}: ${reason ?? "no reason is recorded"}`, width - 2, "  "));
    if (cure !== undefined) lines.push(...wrap(`  cure: ${cure}`, width - 2, "  "));
  }
  const more = kept.length - NOTED_SHOWN_MAX;
  if (more > 0) lines.push(`${more} more: switchyard evacuation moves ${id}`);
  for (const vm of unknownVms) lines.push(`! nobody knows where ${vm} runs`);
  return lines.map((line, place) => (place === 0 ? line : `  ${line}`));
}
