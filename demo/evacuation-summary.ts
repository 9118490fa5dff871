import type { Evacuation, EvacuationMove } from "../core/evacuation/evacuation.ts";

/** What `npm run demo:evacuate -- --json` prints as its last line. Times in ms. */
export type EvacuationSummary = {
  qemu: { real: boolean; version: string };
  vms: number;
  moved: number;
  failed: number;
  /** From the last transfer in flight having ended to the resume: nothing moved meanwhile. */
  pausedMs: number;
  /** Guests that were moved back. */
  rolledBack: number;
  /** From the start of the evacuation to its end, without `pausedMs`. */
  makespanMs: number;
  /** No schedule of the same moves, as predicted, is shorter. */
  lowerBoundMs: number;
  ratio: number;
  /** How far the end that was predicted at half-way was off, of the makespan. */
  etaErrorPercent: number;
  each: {
    vm: string;
    predictedMs: number | null;
    realMs: number | null;
    downtimeMs: number | null;
    /** Where it runs at the end: after the rollback. */
    runningOn: string | null;
  }[];
};

/** The tries by which a VM left its host; those of the way back come after them. */
type Forward = Pick<EvacuationMove, "vm" | "predictedMs" | "tries">;

export type Shown = {
  qemu: EvacuationSummary["qemu"];
  /** As it was when the host was empty. */
  completed: Evacuation;
  moves: readonly Forward[];
  /** As it was when all was moved back. */
  rolledBack: Evacuation;
  places: ReadonlyMap<string, string | null>;
  pausedMs: number;
  /** At half-way: when, and what was predicted to remain. */
  halfway: { readonly atMs: number; readonly remainingMs: number } | undefined;
};

export function summarizeEvacuation(shown: Shown): EvacuationSummary {
  const { completed, moves, rolledBack, places, pausedMs, halfway } = shown;
  const startMs = Date.parse(completed.startedAt ?? completed.createdAt);
  const endMs = Date.parse(completed.endedAt ?? completed.updatedAt);
  const makespanMs = Math.max(1, endMs - startMs - pausedMs);
  const { lowerBoundMs } = completed.eta;
  const predictedEndMs = halfway === undefined ? endMs : halfway.atMs + halfway.remainingMs;
  return {
    qemu: shown.qemu,
    vms: completed.counters.total,
    moved: completed.counters.moved,
    failed: completed.counters.failed,
    pausedMs: Math.round(pausedMs),
    rolledBack: rolledBack.counters.moved,
    makespanMs: Math.round(makespanMs),
    lowerBoundMs: Math.round(lowerBoundMs),
    ratio: round(makespanMs / lowerBoundMs),
    etaErrorPercent: round((Math.abs(predictedEndMs - endMs) / makespanMs) * 100),
    each: moves.map(({ vm, predictedMs, tries }) => {
      const last = tries.findLast(({ code }) => code === undefined);
      return {
        vm,
        predictedMs: predictedMs === undefined ? null : Math.round(predictedMs),
        realMs: last?.ms ?? null,
        downtimeMs: last?.downtimeMs ?? null,
        runningOn: places.get(vm) ?? null,
      };
    }),
  };
}

export function printEvacuationSummary(summary: EvacuationSummary): void {
  const { makespanMs, lowerBoundMs, ratio, etaErrorPercent, pausedMs } = summary;
  console.log();
  console.log("VM     predicted      real  downtime  runs on (after the rollback)");
  for (const { vm, predictedMs, realMs, downtimeMs, runningOn } of summary.each) {
    const cells = [
      ms(predictedMs).padStart(10),
      ms(realMs).padStart(10),
      ms(downtimeMs).padStart(10),
    ];
    console.log(`${vm.padEnd(5)} ${cells.join("")}  ${runningOn ?? "unknown"}`);
  }
  console.log();
  console.log(`Moved        ${summary.moved} of ${summary.vms}, ${summary.failed} failed`);
  console.log(`Makespan     ${ms(makespanMs)}, without ${ms(pausedMs)} in which it was paused`);
  console.log(`Lower bound  ${ms(lowerBoundMs)} by the plan's predictions: ratio ${ratio}`);
  console.log(`ETA          at half-way off by ${etaErrorPercent} % of the makespan`);
  console.log(`Rolled back  ${summary.rolledBack} of ${summary.moved}`);
}

/** One line of the live table. */
export function progressLine(
  { status, counters, eta, startedAt }: Evacuation,
  moving: readonly string[],
  nowMs: number,
): string {
  const { moved, total, waiting, retrying } = counters;
  const elapsed = startedAt === undefined ? 0 : nowMs - Date.parse(startedAt);
  const left = eta.remainingMs === undefined ? "" : `  left ${seconds(eta.remainingMs)}`;
  const others = retrying > 0 ? `, ${retrying} retrying` : "";
  return (
    `${seconds(elapsed).padStart(7)}  ${status.padEnd(12)} moved ${moved}/${total}` +
    `  moving ${moving.length === 0 ? "-" : moving.join(", ")}  waiting ${waiting}${others}` +
    `${left}  bound ${seconds(eta.lowerBoundMs)}`
  );
}

function ms(value: number | null): string {
  return value === null ? "unknown" : `${value} ms`;
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(1)} s`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
