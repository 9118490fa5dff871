import type { CasesFigures } from "./cases.ts";
import type { Scale } from "./scale.ts";

/** What the evacuations of one shape came to, at one error of the predictions. */
export type Row = {
  readonly name: string;
  readonly sigma: number;
  readonly ratioMedian: number;
  readonly ratioP95: number;
  /** The highest of all fleets. */
  readonly bytesRatio: number;
  readonly p99DowntimeRatio: number;
  /** The 95th percentile; null where the plan is replaced underway. */
  readonly halfwayEtaError: number | null;
  readonly halfwayEtaErrorMedian: number | null;
  readonly movesPerVm: number;
  readonly unplaced: number;
  readonly overshoots: number;
  /** What remained after the first failure / its lower bound. */
  readonly ratioAfterFailureP95?: number;
};

/** Goals hold up to this error of the predictions. */
const GOAL_SIGMA = 0.7;

type Goal = { readonly name: string; readonly isMet: (row: Row) => boolean };

const goals: readonly Goal[] = [
  { name: "median of makespan / lower bound ≤ 1.05", isMet: (row) => row.ratioMedian <= 1.05 },
  { name: "p95 of makespan / lower bound ≤ 1.10", isMet: (row) => row.ratioP95 <= 1.1 },
  { name: "p99 downtime not above one at a time", isMet: (row) => row.p99DowntimeRatio <= 1 },
  { name: "bytes ≤ 1.02 of each alone", isMet: (row) => row.bytesRatio <= 1.02 },
  { name: "ETA at half-way within 15 %", isMet: (row) => (row.halfwayEtaError ?? 0) <= 0.15 },
  { name: "one migration per VM", isMet: (row) => row.movesPerVm === 1 },
  { name: "no limit exceeded", isMet: (row) => row.overshoots === 0 },
  { name: "every VM placed", isMet: (row) => row.unplaced === 0 },
  {
    name: "p95 of what remained after a failure / its lower bound ≤ 1.15",
    isMet: (row) => (row.ratioAfterFailureP95 ?? 0) <= 1.15,
  },
];

type Figures = {
  readonly rows: readonly Row[];
  readonly scales: readonly Scale[];
  readonly cases: CasesFigures;
};

/** Every goal that is missed, by shape; the same goals hold for all shapes. */
export function missedGoals({ rows, scales, cases }: Figures): string[] {
  const judged = rows.filter(({ sigma }) => sigma <= GOAL_SIGMA);
  const missed = judged.flatMap((row) =>
    goals
      .filter(({ isMet }) => !isMet(row))
      .map(({ name }) => `${row.name}, sigma ${row.sigma}: ${name}`),
  );
  for (const { name, planningMs, rssMiB, unplaced } of scales) {
    if (planningMs > 1_000) missed.push(`${name}: planned within 1 s of one core`);
    if (rssMiB > 512) missed.push(`${name}: planned within 512 MiB`);
    if (unplaced > 0) missed.push(`${name}: every VM placed`);
  }
  const { feasible, feasiblePlaced, infeasible, infeasibleRefused } = cases;
  if (feasiblePlaced < feasible) missed.push("small evacuations: every feasible one placed");
  if (infeasibleRefused < infeasible) missed.push("small evacuations: the others refused");
  if (cases.ratioMedian > 1.02) missed.push("small evacuations: median within 2 % of the optimum");
  if (cases.ratioWorst > 1.08) missed.push("small evacuations: worst within 8 % of the optimum");
  return missed;
}
