import { compileExpression, isExpression } from "../expression.ts";
import { isObject } from "../json.ts";

/** Members of `$states` an expression may use, besides `input` and `context`. */
export type StatesMember = "result" | "errorOutput";

/**
 * The problem of a string in a definition, or undefined. A string without `{%` and `%}` is literal.
 * Checked are the syntax (JSONata 2.0.6), `$eval`, `$` and `$$` where there is no input document,
 * and members of `$states` that the field does not have.
 */
export function expressionProblem(
  text: string,
  members: readonly StatesMember[],
): string | undefined {
  if (!isExpression(text)) {
    const broken = text.startsWith("{%") || text.endsWith("%}");
    return broken ? "must begin with {% and end with %}, without spaces around" : undefined;
  }
  try {
    return problemIn(compileExpression(text).ast(), { members, contextual: false });
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    return `is not a valid JSONata expression: ${code ?? "error"} ${message ?? ""}`.trimEnd();
  }
}

type Position = {
  readonly members: readonly StatesMember[];
  /** Whether `$` has a value here: inside a step, a predicate, a grouping. */
  readonly contextual: boolean;
};

function problemIn(node: unknown, position: Position): string | undefined {
  if (Array.isArray(node)) return first(node, (item) => problemIn(item, position));
  if (!isObject(node)) return undefined;
  if (node.type === "variable") return variableProblem(String(node.value), position);
  const member = node.type === "path" ? statesMemberProblem(node, position) : undefined;
  return (
    member ?? first(Object.entries(node), ([key, child]) => childProblem(key, child, position))
  );
}

const CONTEXTUAL_PARTS = new Set(["predicate", "stages", "group", "terms", "pattern", "update"]);

function childProblem(key: string, child: unknown, position: Position): string | undefined {
  if (key === "steps" && Array.isArray(child)) {
    const [head, ...rest] = child;
    return problemIn(head, position) ?? problemIn(rest, { ...position, contextual: true });
  }
  const contextual = position.contextual || CONTEXTUAL_PARTS.has(key);
  return problemIn(child, { ...position, contextual });
}

function variableProblem(name: string, position: Position): string | undefined {
  if (name === "eval") return "uses $eval, which Step Functions does not have";
  if (name === "$") return "uses $$, but there is no input document; use $states.input";
  if (name === "" && !position.contextual) {
    return "uses $ at top level, but there is no input document; use $states.input";
  }
  return undefined;
}

function statesMemberProblem(
  path: Record<string, unknown>,
  position: Position,
): string | undefined {
  const [head, next] = path.steps as unknown[];
  if (!isObject(head) || head.type !== "variable" || head.value !== "states") return undefined;
  if (!isObject(next) || next.type !== "name") return undefined;
  const member = String(next.value);
  const known: string[] = ["input", "context", ...position.members];
  return known.includes(member) ? undefined : `uses $states.${member}, which does not exist here`;
}

function first<T>(
  items: readonly T[],
  problem: (item: T) => string | undefined,
): string | undefined {
  for (const item of items) {
    const found = problem(item);
    if (found) return found;
  }
  return undefined;
}
