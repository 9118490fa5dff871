import { planEvacuation } from "../../core/plan/plan.ts";
import { readSmallEvacuations, smallFleet } from "./small-evacuations.ts";
import { median, rounded } from "./statistics.ts";

export type CasesFigures = {
  readonly cases: number;
  readonly feasible: number;
  readonly feasiblePlaced: number;
  readonly infeasible: number;
  readonly infeasibleRefused: number;
  /** Predicted end / the solver's best. */
  readonly ratioMedian: number;
  readonly ratioWorst: number;
};

/** Small fleets whose optimum a constraint solver found. */
export function playSmallEvacuations(): CasesFigures {
  const results = readSmallEvacuations().map((small) => {
    const { snapshot, options } = smallFleet(small);
    const plan = planEvacuation(snapshot, options);
    const { feasible, makespanS } = small.truth;
    const isPlaced = plan.unplaced.length === 0;
    const ratio = makespanS === undefined ? undefined : plan.eta.ms / 1000 / makespanS;
    return { feasible, isPlaced, ratio };
  });
  const feasible = results.filter((result) => result.feasible);
  const others = results.filter((result) => !result.feasible);
  const ratios = feasible.map(({ ratio }) => ratio).filter((ratio) => ratio !== undefined);
  return {
    cases: results.length,
    feasible: feasible.length,
    feasiblePlaced: feasible.filter(({ isPlaced }) => isPlaced).length,
    infeasible: others.length,
    infeasibleRefused: others.filter(({ isPlaced }) => !isPlaced).length,
    ratioMedian: rounded(median(ratios)),
    ratioWorst: rounded(Math.max(...ratios)),
  };
}
