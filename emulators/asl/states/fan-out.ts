import { branchPath, isDistributed, type MapState, type ParallelState } from "../definition.ts";
import { StatesError } from "../errors.ts";
import { DISTRIBUTED_MAP_CONCURRENCY_MAX, INLINE_MAP_CONCURRENCY_MAX } from "../limits.ts";
import { evaluateInteger, type Outcome, type StateRun } from "./state-run.ts";

const countRange = { min: 0, max: Number.MAX_SAFE_INTEGER };
const percentageRange = { min: 0, max: 100 };

export async function runParallel(run: StateRun<ParallelState>): Promise<Outcome> {
  const { state, frame } = run;
  const input =
    state.Arguments === undefined ? frame.input : await run.evaluate(state.Arguments, "Arguments");
  const scopes = state.Branches.map((_, branch) => branchPath(frame.scope, frame.state, branch));
  return { kind: "branches", input, scopes };
}

export async function runMap(run: StateRun<MapState>): Promise<Outcome> {
  const { state, frame } = run;
  const items = state.Items === undefined ? frame.input : await run.evaluate(state.Items, "Items");
  if (!Array.isArray(items)) {
    throw new StatesError(
      "States.QueryEvaluationError",
      `The field 'Items' must be an array, got ${JSON.stringify(items).slice(0, 100)}.`,
      "Items",
    );
  }
  const wanted = await evaluateInteger(run, "MaxConcurrency", state.MaxConcurrency, countRange);
  if (!isDistributed(state)) {
    const concurrency = Math.min(wanted || INLINE_MAP_CONCURRENCY_MAX, INLINE_MAP_CONCURRENCY_MAX);
    return { kind: "items", items, concurrency };
  }
  const { ToleratedFailureCount: count, ToleratedFailurePercentage: percentage } = state;
  return {
    kind: "mapRun",
    items,
    concurrency: Math.min(
      wanted || DISTRIBUTED_MAP_CONCURRENCY_MAX,
      DISTRIBUTED_MAP_CONCURRENCY_MAX,
    ),
    toleratedCount: await evaluateInteger(run, "ToleratedFailureCount", count, countRange),
    toleratedPercentage: await evaluateInteger(
      run,
      "ToleratedFailurePercentage",
      percentage,
      percentageRange,
    ),
  };
}
