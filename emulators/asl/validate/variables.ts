import { isObject } from "../json.ts";

const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;
const NAME_LENGTH_MAX = 80;

/** Names that the states of one scope assign, without those of scopes inside it. */
export function assignedVariables(states: Readonly<Record<string, unknown>>): Set<string> {
  const names = new Set<string>();
  for (const state of Object.values(states)) {
    if (!isObject(state)) continue;
    const rules = [state.Choices, state.Catch].flatMap((list) => (Array.isArray(list) ? list : []));
    for (const holder of [state, ...rules]) {
      if (!isObject(holder) || !isObject(holder.Assign)) continue;
      for (const name of Object.keys(holder.Assign)) names.add(name);
    }
  }
  return names;
}

/** The problem of a variable's name, or undefined. */
export function variableNameProblem(
  name: string,
  outerVariables: ReadonlySet<string>,
): string | undefined {
  if (name === "states") return "assigns 'states', which is reserved";
  if (!NAME.test(name) || name.length > NAME_LENGTH_MAX) {
    return `assigns '${name}', which is not a name of letters, digits and underscores (80 at most)`;
  }
  if (!outerVariables.has(name)) return undefined;
  return `assigns '${name}', a variable of an enclosing scope`;
}
