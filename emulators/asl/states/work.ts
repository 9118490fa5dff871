import type { State } from "../definition.ts";
import { runMap, runParallel } from "./fan-out.ts";
import { runChoice, runFail, runPass, runWait } from "./flow.ts";
import type { Outcome, StateRun } from "./state-run.ts";
import { runTask } from "./task.ts";

/**
 * Runs a state after it was entered, or again for a retry.
 *
 * @throws StatesError that the Retry and Catch of this state, and of those around it, then handle
 */
export function workOn(run: StateRun<State>): Promise<Outcome> {
  const { state } = run;
  switch (state.Type) {
    case "Pass":
    case "Succeed":
      return runPass({ ...run, state });
    case "Fail":
      return runFail({ ...run, state });
    case "Wait":
      return runWait({ ...run, state });
    case "Choice":
      return runChoice({ ...run, state });
    case "Task":
      return runTask({ ...run, state });
    case "Parallel":
      return runParallel({ ...run, state });
    case "Map":
      return runMap({ ...run, state });
  }
}
