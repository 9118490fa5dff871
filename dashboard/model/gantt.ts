import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { noticeDueAt } from "../../core/evacuation/noticing.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import type { Evacuation, EvacuationMove } from "../api-types.ts";

/** A stretch of time, ms after the evacuation's start. */
export type Bar = { readonly fromMs: number; readonly toMs: number };

export type GanttTry = Bar & {
  readonly migration: string;
  readonly target: string;
  readonly outcome: "moved" | "failed" | "moving";
};

/** One VM: what was planned, what has become of it, and what is predicted of the rest. */
export type GanttRow = {
  readonly vm: string;
  readonly source: string;
  readonly target: string | undefined;
  readonly state: EvacuationMove["state"] | "planned";
  readonly planned: Bar | undefined;
  readonly tries: readonly GanttTry[];
  readonly forecast: Bar | undefined;
  readonly move: EvacuationMove | undefined;
};

export type Gantt = {
  readonly rows: readonly GanttRow[];
  /** The end of the drawing. */
  readonly scaleMs: number;
  /** Now, or the end; absent before the start. */
  readonly nowMs: number | undefined;
  readonly isOver: boolean;
  /** The plan's end with its band, and the bound below which no schedule gets. */
  readonly plannedMs: number;
  readonly band: Bar;
  readonly boundMs: number;
  /** The end that is expected now, or the real one. */
  readonly endMs: number;
};

const MARGIN = 1.03;

export function ganttOf(
  evacuation: Evacuation,
  moves: readonly EvacuationMove[],
  plan: Plan | undefined,
  clockMs: number,
): Gantt {
  const { eta, startedAt, endedAt, status } = evacuation;
  const isOver = isFinalEvacuation(status);
  const startMs = startedAt === undefined ? undefined : Date.parse(startedAt);
  const untilMs = endedAt === undefined ? clockMs : Date.parse(endedAt);
  const nowMs = startMs === undefined ? undefined : Math.max(0, untilMs - startMs);
  const endMs = expectedEndMs(evacuation, nowMs);
  const known = new Map<string, EvacuationMove>(moves.map((move) => [move.vm, move]));
  const planned = new Map(plan?.moves.map((move) => [String(move.vm), move]));
  const names = new Set([
    ...planned.keys(),
    ...known.keys(),
    ...(plan?.unplaced ?? []).map(({ vm }) => vm),
  ]);
  const time = { startMs: startMs ?? 0, nowMs, delayMs: endMs - eta.plannedMs, isOver };
  const rows = [...names].map((vm) => rowOf(vm, known.get(vm), planned.get(vm), time));
  const ends = rows.flatMap(({ planned, tries, forecast }) =>
    [planned, forecast, ...tries].map((bar) => bar?.toMs ?? 0),
  );
  const band = { fromMs: eta.lowMs, toMs: eta.highMs };
  const last = Math.max(1, eta.plannedMs, isOver ? 0 : eta.highMs, endMs, nowMs ?? 0, ...ends);
  return {
    rows: rows.toSorted((a, b) => startOf(a) - startOf(b) || (a.vm < b.vm ? -1 : 1)),
    scaleMs: last * MARGIN,
    nowMs,
    isOver,
    plannedMs: eta.plannedMs,
    band,
    boundMs: eta.lowerBoundMs,
    endMs,
  };
}

function expectedEndMs({ eta, status }: Evacuation, nowMs: number | undefined): number {
  if (nowMs === undefined) return eta.plannedMs;
  if (isFinalEvacuation(status) || eta.remainingMs === undefined) return nowMs;
  return nowMs + eta.remainingMs;
}

function startOf({ planned, tries }: GanttRow): number {
  return planned?.fromMs ?? tries[0]?.fromMs ?? Number.POSITIVE_INFINITY;
}

type Time = {
  readonly startMs: number;
  readonly nowMs: number | undefined;
  /** By how much later than planned the end is expected. */
  readonly delayMs: number;
  readonly isOver: boolean;
};

function rowOf(
  vm: string,
  move: EvacuationMove | undefined,
  placed: Plan["moves"][number] | undefined,
  time: Time,
): GanttRow {
  const planned = plannedBar(move, placed);
  return {
    vm,
    source: move?.source ?? placed?.source ?? "",
    target: move?.target ?? placed?.target,
    state: move?.state ?? (placed === undefined ? "unplaced" : "planned"),
    planned,
    tries: (move?.tries ?? []).map((one) => triedBar(one, move?.state, time)),
    forecast: time.isOver ? undefined : forecastBar(move, planned, time),
    move,
  };
}

/** A later version starts at another time than the evacuation; the move has its start in it. */
function plannedBar(
  move: EvacuationMove | undefined,
  placed: Plan["moves"][number] | undefined,
): Bar | undefined {
  const fromMs = move?.startAtMs ?? placed?.startAtMs;
  const lengthMs =
    move?.predictedMs ?? (placed === undefined ? undefined : placed.endAtMs - placed.startAtMs);
  if (fromMs === undefined || lengthMs === undefined) return undefined;
  return { fromMs, toMs: fromMs + lengthMs };
}

function triedBar(
  { startedAt, endedAt, code, migration, target }: EvacuationMove["tries"][number],
  state: EvacuationMove["state"] | undefined,
  { startMs, nowMs }: Time,
): GanttTry {
  const fromMs = Math.max(0, Date.parse(startedAt) - startMs);
  const end = endedAt === undefined ? (nowMs ?? fromMs) : Date.parse(endedAt) - startMs;
  const isOpen = endedAt === undefined && state === "moving";
  const outcome = code !== undefined ? "failed" : isOpen ? "moving" : "moved";
  return { fromMs, toMs: Math.max(fromMs, end), outcome, migration, target };
}

function forecastBar(
  move: EvacuationMove | undefined,
  planned: Bar | undefined,
  { startMs, nowMs, delayMs }: Time,
): Bar | undefined {
  if (move === undefined || planned === undefined || nowMs === undefined) return undefined;
  const lengthMs = planned.toMs - planned.fromMs;
  if (move.state === "moving") {
    const begun = move.tries.at(-1)?.startedAt;
    if (begun === undefined) return undefined;
    const endMs = Date.parse(begun) - startMs + lengthMs;
    return endMs > nowMs ? { fromMs: nowMs, toMs: endMs } : undefined;
  }
  if (!["noticed", "waiting", "retrying"].includes(move.state)) return undefined;
  const { state, notice } = move;
  const isHeld = state === "noticed" && notice !== undefined;
  const heldToMs = isHeld ? Date.parse(noticeDueAt(notice)) - startMs : 0;
  const fromMs = Math.max(nowMs, planned.fromMs + delayMs, heldToMs);
  return { fromMs, toMs: fromMs + lengthMs };
}

const STEPS_MS = [
  100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
  1_200_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000,
];

/** Round times for an axis, about so many at most. */
export function ticksOf(scaleMs: number, ticksMax: number): number[] {
  const step =
    STEPS_MS.find((one) => scaleMs / one <= ticksMax) ??
    Math.ceil(scaleMs / ticksMax / 86_400_000) * 86_400_000;
  const count = Math.floor(scaleMs / step);
  return Array.from({ length: count + 1 }, (_unused, place) => place * step);
}

/** The rows that a scrolled list shows, with some beside them. */
export function visibleRows(
  list: { readonly count: number; readonly rowHeight: number },
  view: { readonly top: number; readonly height: number },
): { readonly first: number; readonly end: number } {
  const { count, rowHeight } = list;
  const beside = 10;
  const first = Math.max(0, Math.floor(view.top / rowHeight) - beside);
  const end = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + beside);
  return { first, end };
}
