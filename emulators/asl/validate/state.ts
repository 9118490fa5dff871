import { isObject } from "../json.ts";
import { visitStrings } from "../template.ts";
import type { Diagnostics } from "./diagnostic.ts";
import { expressionProblem, type StatesMember } from "./expressions.ts";
import {
  catcherFields,
  checkFields,
  choiceRuleFields,
  type FieldTable,
  processorConfigFields,
  processorFields,
  requiredFields,
  retrierFields,
  scopeFields,
  stateFields,
} from "./fields.ts";
import { checkTask } from "./task.ts";
import { variableNameProblem } from "./variables.ts";

type Fields = Record<string, unknown>;

/** Position of a check in the definition, and what it may use. */
export type ScopeContext = {
  readonly diagnostics: Diagnostics;
  readonly integrations: ReadonlySet<string>;
  /** JSON pointer to the scope or state; empty for the machine itself. */
  readonly location: string;
  /** Variables of the enclosing scopes: readable here, but not to be assigned. */
  readonly outerVariables: ReadonlySet<string>;
  readonly depth: number;
};

export type StateContext = ScopeContext & {
  readonly states: Readonly<Record<string, unknown>>;
  /** Variables assigned in the state's own scope. */
  readonly variables: ReadonlySet<string>;
  /** Checks a scope inside the state: the language is recursive. */
  readonly checkScope: (scope: Fields, context: ScopeContext) => void;
};

type Report = (field: string, problem: string, code?: string) => void;

const RECOVERING = new Set(["Task", "Parallel", "Map"]);

/** Checks one state: its fields, expressions and targets, and the scopes inside it. */
export function checkState(name: string, state: Fields, context: StateContext): void {
  const report: Report = (field, problem, code) =>
    context.diagnostics.add(
      `${context.location}/${field}`,
      `State '${name}': field '${field}' ${problem}`,
      code,
    );
  const type = String(state.Type);
  const table = Object.hasOwn(stateFields, type) ? stateFields[type] : undefined;
  if (!table) {
    report("Type", `is not supported: ${type}`);
    return;
  }
  checkFields(state, table, report);
  for (const field of requiredFields[type] ?? []) {
    if (state[field] === undefined) report(field, "is required");
  }
  if ("Next" in table) checkTransition(state, report);
  const members: StatesMember[] = RECOVERING.has(type) ? ["result"] : [];
  checkValues(state, members, context, report);
  checkTarget(state, "Next", context, report);
  checkRecovery(state, context, report);
  typeChecks[type]?.(state, context, report);
}

const typeChecks: Readonly<
  Record<string, (state: Fields, context: StateContext, report: Report) => void>
> = {
  Task: (state, context, report) => checkTask(state, context.integrations, report),
  Wait: (state, _context, report) => checkWait(state, report),
  Choice: checkChoice,
  Parallel: checkParallel,
  Map: checkMap,
};

function checkTransition(state: Fields, report: Report): void {
  if (state.Next !== undefined && state.End !== undefined) {
    report("End", "cannot stand beside 'Next'", "TERMINAL_STATE_WITH_NEXT");
  }
  if (state.Next === undefined && state.End === undefined) {
    report("Next", "or 'End' is required", "MISSING_END_STATE");
  }
}

/** Fields evaluated once the work is done; the others are evaluated before it. */
const AFTER_WORK = new Set(["Assign", "Output"]);
/** Fields that hold no template, or whose parts are checked by themselves. */
const NOT_TEMPLATES = new Set([
  "Type",
  "Comment",
  "Next",
  "Default",
  "Resource",
  "Choices",
  "Branches",
  "ItemProcessor",
  "Retry",
  "Catch",
  "Label",
  "QueryLanguage",
]);

function checkValues(
  holder: Fields,
  membersAfterWork: readonly StatesMember[],
  context: StateContext,
  report: Report,
): void {
  for (const [field, template] of Object.entries(holder)) {
    if (NOT_TEMPLATES.has(field)) continue;
    const members = AFTER_WORK.has(field) ? membersAfterWork : [];
    visitStrings(template, field, (text, at) => {
      const problem = expressionProblem(text, members);
      if (problem) report(at, problem);
    });
  }
  if (!isObject(holder.Assign)) return;
  for (const name of Object.keys(holder.Assign)) {
    const problem = variableNameProblem(name, context.outerVariables);
    if (problem) report("Assign", problem);
  }
}

function checkTarget(holder: Fields, field: string, context: StateContext, report: Report): void {
  const target = holder[field];
  if (typeof target !== "string" || Object.hasOwn(context.states, target)) return;
  report(field, `names no state of its scope: ${target}`, "MISSING_TRANSITION_TARGET");
}

/** Checks each object of a list, reporting as `Choices[0].Next`. */
function checkEach(
  state: Fields,
  field: string,
  table: FieldTable,
  report: Report,
  check: (item: Fields, reportItem: Report, last: boolean) => void,
): void {
  const list = state[field];
  if (!Array.isArray(list)) return;
  for (const [index, item] of list.entries()) {
    const reportItem: Report = (inner, problem, code) =>
      report(`${field}[${index}]/${inner}`, problem, code);
    if (!isObject(item)) {
      report(`${field}[${index}]`, "must be an object");
      continue;
    }
    checkFields(item, table, reportItem);
    check(item, reportItem, index === list.length - 1);
  }
}

function checkRecovery(state: Fields, context: StateContext, report: Report): void {
  checkEach(state, "Retry", retrierFields, report, checkErrorEquals);
  checkEach(state, "Catch", catcherFields, report, (catcher, reportItem, last) => {
    checkErrorEquals(catcher, reportItem, last);
    checkValues(catcher, ["errorOutput"], context, reportItem);
    if (catcher.Next === undefined) reportItem("Next", "is required");
    checkTarget(catcher, "Next", context, reportItem);
  });
}

function checkErrorEquals(item: Fields, report: Report, last: boolean): void {
  const names = item.ErrorEquals;
  if (!Array.isArray(names)) {
    report("ErrorEquals", "is required");
    return;
  }
  if (names.some((name) => typeof name !== "string")) {
    report("ErrorEquals", "must hold strings");
  }
  if (names.includes("States.ALL") && (names.length > 1 || !last)) {
    report("ErrorEquals", "must name States.ALL alone, and in the last item");
  }
}

function checkWait(state: Fields, report: Report): void {
  const given = ["Seconds", "Timestamp"].filter((field) => state[field] !== undefined);
  if (given.length !== 1) report("Seconds", "or 'Timestamp' is required, and not both");
  const at = state.Timestamp;
  if (typeof at === "string" && !at.startsWith("{%") && !RFC_3339.test(at)) {
    report("Timestamp", "must be an RFC 3339 timestamp, as 2030-01-01T00:00:00Z");
  }
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

function checkChoice(state: Fields, context: StateContext, report: Report): void {
  checkTarget(state, "Default", context, report);
  checkEach(state, "Choices", choiceRuleFields, report, (rule, reportItem) => {
    if (rule.Condition === undefined) reportItem("Condition", "is required");
    if (rule.Next === undefined) reportItem("Next", "is required");
    checkTarget(rule, "Next", context, reportItem);
    checkValues(rule, [], context, reportItem);
    for (const field of ["Assign", "Output"]) {
      // The language's specification and AWS's guide differ on whether the state's own field also
      // applies when a rule matches; where each rule has its own, both readings give one result.
      if (state[field] === undefined || rule[field] !== undefined) continue;
      reportItem(field, `is required because the state itself has '${field}'`);
    }
  });
}

function checkParallel(state: Fields, context: StateContext, report: Report): void {
  const branches = Array.isArray(state.Branches) ? state.Branches : [];
  for (const [index, branch] of branches.entries()) {
    const at = `Branches[${index}]`;
    if (!isObject(branch)) {
      report(at, "must be an object");
      continue;
    }
    checkFields(branch, scopeFields, (field, problem) => report(`${at}/${field}`, problem));
    checkInner(branch, at, context, true);
  }
}

function checkMap(state: Fields, context: StateContext, report: Report): void {
  const processor = state.ItemProcessor;
  if (!isObject(processor)) return;
  checkFields(processor, processorFields, (field, problem) =>
    report(`ItemProcessor/${field}`, problem),
  );
  const config = isObject(processor.ProcessorConfig) ? processor.ProcessorConfig : {};
  checkFields(config, processorConfigFields, (field, problem) =>
    report(`ItemProcessor/ProcessorConfig/${field}`, problem),
  );
  const distributed = config.Mode === "DISTRIBUTED";
  if (distributed && config.ExecutionType !== "STANDARD") {
    report("ItemProcessor/ProcessorConfig/ExecutionType", "must be 'STANDARD'");
  }
  if (!distributed) checkInlineMap(state, config, report);
  const { Items: items } = state;
  if (items !== undefined && typeof items !== "string" && !Array.isArray(items)) {
    report("Items", "must be an array, or a JSONata expression that yields one");
  }
  checkInner(processor, "ItemProcessor", context, !distributed);
}

function checkInlineMap(state: Fields, config: Fields, report: Report): void {
  for (const field of ["Label", "ToleratedFailureCount", "ToleratedFailurePercentage"]) {
    if (state[field] !== undefined) report(field, "needs an ItemProcessor in DISTRIBUTED mode");
  }
  if (config.ExecutionType !== undefined) {
    report("ItemProcessor/ProcessorConfig/ExecutionType", "needs DISTRIBUTED mode");
  }
}

function checkInner(scope: Fields, at: string, context: StateContext, seesOuter: boolean): void {
  const outer = seesOuter ? [...context.outerVariables, ...context.variables] : [];
  context.checkScope(scope, {
    diagnostics: context.diagnostics,
    integrations: context.integrations,
    location: `${context.location}/${at}`,
    outerVariables: new Set(outer),
    depth: context.depth + 1,
  });
}
