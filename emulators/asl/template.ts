import { type Bindings, evaluateExpression, isExpression } from "./expression.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";

/**
 * Evaluates a JSONata template: a JSON value in which each `{% … %}` string is replaced by its
 * result.
 *
 * @param location name of the field, extended by keys and indexes on the way down
 * @throws StatesError `States.QueryEvaluationError` from the first expression that fails
 */
export async function evaluateTemplate(
  template: Json,
  bindings: Bindings,
  location: string,
): Promise<Json> {
  if (typeof template === "string") {
    return isExpression(template) ? evaluateExpression(template, bindings, location) : template;
  }
  if (Array.isArray(template)) {
    const items: Json[] = [];
    for (const [index, item] of template.entries()) {
      items.push(await evaluateTemplate(item, bindings, `${location}[${index}]`));
    }
    return items;
  }
  return isObject(template) ? evaluateFields(template, bindings, location) : template;
}

async function evaluateFields(
  template: JsonObject,
  bindings: Bindings,
  location: string,
): Promise<JsonObject> {
  const fields: [string, Json][] = [];
  for (const [key, value] of Object.entries(template)) {
    fields.push([key, await evaluateTemplate(value, bindings, `${location}/${key}`)]);
  }
  return Object.fromEntries(fields);
}

/** Visits every string of a JSON value with its location. */
export function visitStrings(
  template: unknown,
  location: string,
  visit: (text: string, location: string) => void,
): void {
  if (typeof template === "string") {
    visit(template, location);
    return;
  }
  if (Array.isArray(template)) {
    for (const [index, item] of template.entries()) {
      visitStrings(item, `${location}[${index}]`, visit);
    }
    return;
  }
  if (!isObject(template)) return;
  for (const [key, value] of Object.entries(template)) {
    visitStrings(value, `${location}/${key}`, visit);
  }
}
