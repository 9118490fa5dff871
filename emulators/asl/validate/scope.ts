import { isObject } from "../json.ts";
import { NAME_LENGTH_MAX } from "../limits.ts";
import { checkState, type ScopeContext } from "./state.ts";
import { assignedVariables } from "./variables.ts";

const DEPTH_MAX = 20;

/** Checks the states of a machine, a branch or an item processor, and what lies inside them. */
export function checkScope(scope: Record<string, unknown>, context: ScopeContext): void {
  const { diagnostics, location } = context;
  if (context.depth > DEPTH_MAX) {
    diagnostics.add(location, `Scopes are nested more than ${DEPTH_MAX} deep`);
    return;
  }
  const states = scope.States;
  if (!isObject(states) || Object.keys(states).length === 0) {
    diagnostics.add(`${location}/States`, "The field 'States' must hold at least one state");
    return;
  }
  const start = scope.StartAt;
  if (typeof start !== "string" || !Object.hasOwn(states, start)) {
    const code = "MISSING_TRANSITION_TARGET";
    diagnostics.add(`${location}/StartAt`, `'StartAt' names no state: ${String(start)}`, code);
  }
  const variables = assignedVariables(states);
  for (const [name, state] of Object.entries(states)) {
    const at = `${location}/States/${name}`;
    if (name === "" || name.length > NAME_LENGTH_MAX) {
      diagnostics.add(at, `State '${name}': a name has 1 to ${NAME_LENGTH_MAX} characters`);
    }
    if (isObject(state)) {
      checkState(name, state, { ...context, states, variables, location: at, checkScope });
    } else {
      diagnostics.add(at, `State '${name}' must be an object`);
    }
  }
}
