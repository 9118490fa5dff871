import { bytes, duration, rate } from "../../core/format.ts";
import { precopyEnd, remainingBytes } from "../../core/migration/estimate.ts";
import type { Migration } from "../../core/migration/migration.ts";
import { forwardPhases } from "../../core/migration/phases.ts";
import { wrap } from "../output/table.ts";
import { sparkline } from "./sparkline.ts";

/** A migration as the API shows it; a snapshot of the fleet leaves parts out. */
export type Shown = Omit<Migration, "agreement" | "twinCheck">;

const LABEL_WIDTH = 10;
const SPARKLINE_WIDTH = 20;

/** What a person sees of a running migration. */
export function frameOf(
  migration: Shown,
  view: { readonly width: number; readonly nowMs: number; readonly left: readonly number[] },
): string[] {
  const { vm, source, target, id } = migration;
  return [
    `${vm}  ${source} → ${target}   ${id}`,
    ...phaseLines(migration, view),
    ...progressLines(migration, view.left),
    line("downtime", downtimeText(migration)),
    ...gateLines(migration),
    line("cancel", `switchyard migration cancel ${id}`),
    "Ctrl-C stops watching, not the migration",
  ].map((text) => (text.length > view.width ? `${text.slice(0, view.width - 1)}…` : text));
}

function line(label: string, text: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${text}`;
}

/** All phases: those that are over with their times, the one that runs, and those to come. */
export function phaseLines(
  { phases, status }: Shown,
  { width, nowMs }: { readonly width: number; readonly nowMs: number },
): string[] {
  const isOver = status !== "running";
  const entered = phases.map(({ name, startedAt }, place) => {
    const next = phases[place + 1]?.startedAt;
    const untilMs = next === undefined ? nowMs : Date.parse(next);
    const took = Math.max(0, untilMs - Date.parse(startedAt));
    const isCurrent = next === undefined && !isOver;
    const time = took >= 100 && (isCurrent || next !== undefined) ? ` ${duration(took)}` : "";
    return `${isCurrent ? "●" : "✔"}\u00a0${name}${time.replaceAll(" ", "\u00a0")}`;
  });
  const names = new Set(phases.map(({ name }) => name));
  const onWayBack = phases.some(({ name }) => !isForward(name));
  const current = phases.findLastIndex(({ name }) => isForward(name));
  const reached = forwardPhases.indexOf(phases[current]?.name as (typeof forwardPhases)[number]);
  const toCome = isOver || onWayBack ? [] : forwardPhases.slice(reached + 1);
  const future = toCome.filter((name) => !names.has(name)).map((name) => `○\u00a0${name}`);
  const text = [...entered, ...future].join(" ");
  return breakWords(text, width);
}

/** A phase is not broken in two: its parts are joined by spaces that do not break. */
function breakWords(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.pop();
    if (last === undefined) lines.push(word);
    else if (last.length + 2 + word.length > width) lines.push(last, word);
    else lines.push(`${last}  ${word}`);
  }
  return lines.map((one) => one.replaceAll("\u00a0", " "));
}

function isForward(name: string): boolean {
  return (forwardPhases as readonly string[]).includes(name);
}

function progressLines(migration: Shown, left: readonly number[]): string[] {
  const { progress, stoppedAtMs } = migration;
  const remaining = remainingBytes(migration);
  if (progress === undefined || remaining === undefined) return [];
  const { dirtySyncCount, ramTransferredBytes, bandwidthBytesPerSecond } = progress;
  const pass = dirtySyncCount === undefined ? "" : `pass ${dirtySyncCount}, `;
  const sent = ramTransferredBytes === undefined ? "" : `${bytes(ramTransferredBytes)} sent`;
  const bars = sparkline(left, SPARKLINE_WIDTH);
  const lines = [line("left", `${bytes(remaining).padEnd(9)} ${bars}  ${pass}${sent}`.trimEnd())];
  if (bandwidthBytesPerSecond !== undefined) {
    const dirty = progress.dirtyBytesPerSecond ?? 0;
    const verdict = bandwidthBytesPerSecond > dirty ? "converges" : "does not converge";
    const rates = `${rate(bandwidthBytesPerSecond)} sent, ${rate(dirty)} dirtied: ${verdict}`;
    lines.push(line("rates", rates));
    if (stoppedAtMs === undefined) lines.push(line("ends", endText(migration)));
  }
  return [...lines, ...diskLines(progress)];
}

/** Of disks that are copied. */
function diskLines({
  diskRemainingBytes: left,
  diskTotalBytes: total = 0,
  diskBytesPerSecond: speed = 0,
}: NonNullable<Shown["progress"]>): string[] {
  if (left === undefined) return [];
  return [line("disks", `${bytes(left)} of ${bytes(total)} left, ${rate(speed)}`)];
}

/** When precopy is expected to end. */
export function endText(migration: Shown): string {
  const end = precopyEnd(migration);
  if (end === undefined || end === "held") return end ?? "";
  if (end === "never") return "not at these rates";
  return `in ${duration(Math.ceil(end / 1000) * 1000)}`;
}

function downtimeText({ progress, prediction, policy }: Shown): string {
  const budget = policy.downtimeBudgetMs;
  const allowed = budget === undefined ? "no budget" : `budget ${duration(budget)}`;
  if (prediction === undefined) return allowed;
  const { downtimeMs, loadMs, learnedFrom } = prediction;
  const learned = learnedFrom === undefined ? "" : `, learned from ${learnedFrom}`;
  const parts = `limit ${Math.round(downtimeMs - loadMs)} + load ${Math.round(loadMs)}${learned}`;
  const now = progress?.expectedDowntimeMs;
  const qemu = now === undefined ? "" : `, QEMU expects ${duration(now)}`;
  return `at most ${duration(downtimeMs)} (${parts})${qemu}, ${allowed}`;
}

function gateLines({ gate, id }: Shown): string[] {
  if (gate === undefined || gate.permittedAt !== undefined) return [];
  const since = gate.heldAtMs === undefined ? "when it has converged" : "now, the guest runs";
  return [line("held", `${since}; permit: switchyard migration switchover ${id}`)];
}

/** Completed has its own line. */
const marks = { running: "●", completed: "✔", failed: "✗", cancelled: "–", unknown: "!" };

/** The last word on a migration: one line, and more where it did not complete. */
export function resultLines(migration: Shown, width: number): string[] {
  const { vm, status, runningOn, target, failure, endedAt, createdAt, figures } = migration;
  const took = endedAt === undefined ? "" : duration(Date.parse(endedAt) - Date.parse(createdAt));
  if (status === "completed") {
    const sent = figures?.progress.ramTransferredBytes;
    const passes = figures?.progress.dirtySyncCount;
    const parts = [
      `✔ ${vm} ${runningOn === undefined ? "is" : "runs"} on ${runningOn ?? target}`,
      figures === undefined ? "" : `downtime ${measuredText(migration, figures.downtimeMs)}`,
      took,
      sent === undefined
        ? ""
        : `${bytes(sent)}${passes === undefined ? "" : ` in ${passes} passes`}`,
      migration.ack === undefined ? "" : `ack: ${migration.ack.evidence ?? migration.ack.mode}`,
    ];
    return [parts.filter((part) => part !== "").join("   ")];
  }
  const words = {
    failed: "did not move",
    cancelled: "was not moved: cancelled",
    unknown: "unknown",
  };
  const headline = status === "running" ? "still moves" : words[status];
  return [
    `${marks[status]} ${vm} ${headline}   ${took}   ${migration.id}`,
    ...(failure === undefined
      ? []
      : [
          ...wrap(`${failure.code}: ${failure.message}`, width - 2, "  "),
          ...wrap(`state: ${failure.state}`, width - 2, "  "),
          ...wrap(`cure: ${failure.cure}`, width - 2, "  "),
        ].map((text) => `  ${text}`)),
  ];
}

function measuredText({ prediction, policy }: Shown, measuredMs: number): string {
  const expected =
    prediction === undefined ? "" : `at most ${duration(prediction.downtimeMs)} expected`;
  const budget = policy.downtimeBudgetMs;
  const allowed = budget === undefined ? "" : `budget ${duration(budget)}`;
  const beside = [expected, allowed].filter((part) => part !== "").join(", ");
  return `${duration(measuredMs)}${beside === "" ? "" : ` (${beside})`}`;
}
