/**
 * dynalite parses each expression of each request anew, which was a third of the time of a write. A
 * program sends few expressions, with other values each time: here the parsed form of one is kept, and
 * gets the values of the next request.
 */
import conditionParser from "dynalite/db/conditionParser.js";
import updateParser from "dynalite/db/updateParser.js";

type Parser = typeof conditionParser;
type Context = Parameters<Parser["parse"]>[1]["context"];
type Values = Record<string, Record<string, unknown>>;

type Kept = {
  readonly form: unknown;
  readonly names: readonly string[];
  readonly values: readonly string[];
};

/** Forms that are kept of each parser; all are dropped when there are more. */
const KEPT_MAX = 2_000;
/** What dynalite checks of these depends on what a value is, not only on its type. */
const readsValues = /between|attribute_type/i;

/** The place of a value in a kept form. */
class Place {
  readonly value: string;

  constructor(value: string) {
    this.value = value;
  }
}

for (const parser of [conditionParser, updateParser]) keepForms(parser);

function keepForms(parser: Parser): void {
  const { parse } = parser;
  const kept = new Map<string, Kept>();
  parser.parse = (expression, options) => {
    const { context } = options;
    if (readsValues.test(expression)) return parse(expression, options);
    const key = keyOf(expression, context);
    const known = kept.get(key);
    if (known !== undefined) return fill(known, context);
    // Sets of its own: another expression of the request may have used the same names.
    const unusedAttrNames = allOf(context.attrNames);
    const unusedAttrVals = allOf(context.attrVals);
    const parsed = parse(expression, { context: { ...context, unusedAttrNames, unusedAttrVals } });
    // A text is an error, and its words may hold values.
    if (typeof parsed !== "object" || parsed === null) return parsed;
    if (kept.size >= KEPT_MAX) kept.clear();
    const made = {
      form: withPlaces(parsed, placesOf(context.attrVals ?? {})),
      names: Object.keys(context.attrNames ?? {}).filter((name) => !(name in unusedAttrNames)),
      values: Object.keys(context.attrVals ?? {}).filter((value) => !(value in unusedAttrVals)),
    };
    kept.set(key, made);
    return fill(made, context);
  };
}

/** Whatever the parser's answer depends on. */
function keyOf(expression: string, { attrNames, attrVals = {}, isKeyCondition }: Context): string {
  const types = Object.entries(attrVals).map(([name, value]) => [name, ...Object.keys(value)]);
  return JSON.stringify([expression, isKeyCondition === true, attrNames, types]);
}

function allOf(given: object = {}): Record<string, boolean> {
  return Object.fromEntries(Object.keys(given).map((name) => [name, true]));
}

function placesOf(values: Values): Map<unknown, Place> {
  return new Map(Object.entries(values).map(([name, value]) => [value, new Place(name)]));
}

function withPlaces(node: unknown, places: ReadonlyMap<unknown, Place>): unknown {
  return places.get(node) ?? copy(node, (part) => withPlaces(part, places));
}

function fill({ form, names, values }: Kept, context: Context): unknown {
  for (const name of names) delete context.unusedAttrNames[name];
  for (const value of values) delete context.unusedAttrVals[value];
  return withValues(form, context.attrVals ?? {});
}

function withValues(node: unknown, values: Values): unknown {
  if (node instanceof Place) return values[node.value];
  return copy(node, (part) => withValues(part, values));
}

/** A copy of its own for each request: whoever carries it out may change it. */
function copy(node: unknown, part: (node: unknown) => unknown): unknown {
  if (typeof node !== "object" || node === null) return node;
  if (Array.isArray(node)) return node.map(part);
  const made: Record<string, unknown> = Object.create(Object.getPrototypeOf(node));
  for (const [name, value] of Object.entries(node)) made[name] = part(value);
  return made;
}
