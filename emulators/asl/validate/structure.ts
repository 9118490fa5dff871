import type { Definition, Scope, State } from "../definition.ts";
import type { Diagnostics } from "./diagnostic.ts";

/**
 * What no state shows by itself: states that nothing leads to, scopes that never end, and a name
 * that two states have. To be called when everything else is right.
 */
export function checkStructure(definition: Definition, diagnostics: Diagnostics): void {
  const names = new Set<string>();
  for (const [location, scope] of scopesOf(definition)) {
    const states = Object.entries(scope.States);
    const targets = new Set([scope.StartAt, ...states.flatMap(([, state]) => targetsOf(state))]);
    for (const [name] of states) {
      const at = `${location}/States/${name}`;
      if (!targets.has(name)) {
        diagnostics.add(at, `State '${name}' is not reachable`, "MISSING_TRANSITION_TARGET");
      }
      if (names.has(name)) {
        const message = `State '${name}': another state has this name`;
        diagnostics.add(at, message, "DUPLICATE_STATE_NAMES");
      }
      names.add(name);
    }
    if (!states.some(([, state]) => isTerminal(state))) {
      const message = "No state has 'End', or is of type 'Succeed' or 'Fail'";
      diagnostics.add(`${location}/States`, message, "MISSING_TERMINAL_STATE");
    }
  }
}

/** A scope and those inside it, each with its place as a JSON pointer. */
function* scopesOf(scope: Scope, location = ""): Generator<[string, Scope]> {
  yield [location, scope];
  for (const [name, state] of Object.entries(scope.States)) {
    const at = `${location}/States/${name}`;
    if (state.Type === "Map") yield* scopesOf(state.ItemProcessor, `${at}/ItemProcessor`);
    if (state.Type !== "Parallel") continue;
    for (const [index, branch] of state.Branches.entries()) {
      yield* scopesOf(branch, `${at}/Branches[${index}]`);
    }
  }
}

function targetsOf(state: State): (string | undefined)[] {
  if (state.Type === "Choice") return [state.Default, ...state.Choices.map(({ Next }) => Next)];
  const catchers = "Catch" in state ? (state.Catch ?? []) : [];
  return ["Next" in state ? state.Next : undefined, ...catchers.map(({ Next }) => Next)];
}

function isTerminal(state: State): boolean {
  return (
    state.Type === "Succeed" || state.Type === "Fail" || ("End" in state && state.End === true)
  );
}
