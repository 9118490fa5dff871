import type { State } from "../definition.ts";
import { runMap, runParallel } from "./fan-out.ts";
import { runChoice, runFail, runPass, runWait } from "./flow.ts";
import type { Outcome, StateRun } from "./state-run.ts";
import { runTask } from "./task.ts";

/**
 * Does what a state does on being entered (or tried again).
 *
 * @throws StatesError what the state's Retry and Catch, and those around it, then decide about
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
