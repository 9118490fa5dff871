import jsonata from "jsonata";
import { StatesError } from "./errors.ts";
import { isObject, type Json, toJson } from "./json.ts";

/** Variables and functions of an expression by name, without the dollar sign. */
export type Bindings = Readonly<Record<string, unknown>>;

/** Whether the string is written `{% … %}`, that is, holds a JSONata expression. */
export function isExpression(text: string): boolean {
  return text.length >= 4 && text.startsWith("{%") && text.endsWith("%}");
}

/**
 * Evaluates one `{% … %}` string. There is no input document: everything comes from the bindings.
 *
 * @param location the field, as `Output/guest/id`, for the error text
 * @throws StatesError `States.QueryEvaluationError` if it fails, runs too long, or yields nothing
 */
export async function evaluateExpression(
  text: string,
  bindings: Bindings,
  location: string,
): Promise<Json> {
  const source = sourceOf(text);
  const fail = (what: string) =>
    new StatesError(
      "States.QueryEvaluationError",
      `The JSONata expression '${source}' specified for the field '${location}' ${what}`,
      location,
    );
  let value: unknown;
  try {
    const budget = { stepsLeft: EVALUATION_STEPS_MAX };
    value = await compile(source).evaluate(undefined, { ...bindings, [BUDGET]: budget });
  } catch (error) {
    throw fail(`threw an error during evaluation. ${describe(error)}`);
  }
  if (value === undefined) throw fail("returned nothing (undefined).");
  if (isFunction(value)) throw fail("returned a function.");
  try {
    return toJson(value);
  } catch (error) {
    throw fail(`returned a value that is not JSON. ${describe(error)}`);
  }
}

/**
 * Compiles the expression inside `{% … %}`, or returns it from the cache.
 *
 * @throws Error with JSONata's code and message if the syntax is wrong
 */
export function compileExpression(text: string): jsonata.Expression {
  return compile(sourceOf(text));
}

/** Most steps of one evaluation, so that a loop in an expression cannot block the process. */
const EVALUATION_STEPS_MAX = 1_000_000;
/** A space cannot be part of a JSONata name, so no expression can reach this binding. */
const BUDGET = " budget";
const COMPILED_MAX = 5000;
const compiled = new Map<string, jsonata.Expression>();

function compile(source: string): jsonata.Expression {
  const known = compiled.get(source);
  if (known) return known;
  const expression = jsonata(source);
  // JSONata calls this before each node it evaluates; its own tools bound run time the same way.
  const onEntry = Symbol.for("jsonata.__evaluate_entry") as unknown as string;
  expression.assign(onEntry, spendStep);
  const [oldest] = compiled.keys();
  if (compiled.size >= COMPILED_MAX && oldest !== undefined) compiled.delete(oldest);
  compiled.set(source, expression);
  return expression;
}

function spendStep(_node: unknown, _input: unknown, environment: jsonata.Environment): void {
  const budget = environment.lookup(BUDGET) as { stepsLeft: number } | undefined;
  if (!budget) return;
  budget.stepsLeft -= 1;
  if (budget.stepsLeft < 0) throw new Error(`more than ${EVALUATION_STEPS_MAX} evaluation steps`);
}

function sourceOf(text: string): string {
  return text.slice(2, -2).trim();
}

function isFunction(value: unknown): boolean {
  if (typeof value === "function") return true;
  return isObject(value) && (value._jsonata_lambda === true || "_jsonata_function" in value);
}

function describe(error: unknown): string {
  if (!isObject(error) && !(error instanceof Error)) return String(error);
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === "string" ? `${code}: ${String(message)}` : String(message);
}
