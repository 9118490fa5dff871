import type { Definition } from "../definition.ts";
import { isObject, utf8Bytes } from "../json.ts";
import { DEFINITION_BYTES_MAX } from "../limits.ts";
import { type Diagnostic, Diagnostics } from "./diagnostic.ts";
import { checkFields, machineFields } from "./fields.ts";
import { checkScope } from "./scope.ts";
import { checkStructure } from "./structure.ts";

export type Validation =
  | { readonly definition: Definition; readonly diagnostics: readonly [] }
  | { readonly definition: undefined; readonly diagnostics: readonly Diagnostic[] };

/**
 * Parses a definition, and refuses whatever this engine would not run as AWS does: nothing in it is
 * ignored.
 *
 * @param text the definition, JSON of at most 1 MiB
 * @param integrations optional integrations that the engine was started with
 */
export function validateDefinition(text: string, integrations: ReadonlySet<string>): Validation {
  const diagnostics = new Diagnostics();
  const definition = parse(text, diagnostics);
  if (definition !== undefined) check(definition, integrations, diagnostics);
  if (diagnostics.list.length > 0) {
    return { definition: undefined, diagnostics: diagnostics.list };
  }
  return { definition: definition as unknown as Definition, diagnostics: [] };
}

function parse(text: string, diagnostics: Diagnostics): Record<string, unknown> | undefined {
  if (utf8Bytes(text) > DEFINITION_BYTES_MAX) {
    diagnostics.add("/", `The definition is larger than ${DEFINITION_BYTES_MAX} bytes`);
    return undefined;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
    diagnostics.add("/", "The definition must be a JSON object", "INVALID_JSON_DESCRIPTION");
  } catch (error) {
    diagnostics.add("/", (error as Error).message, "INVALID_JSON_DESCRIPTION");
  }
  return undefined;
}

function check(
  definition: Record<string, unknown>,
  integrations: ReadonlySet<string>,
  diagnostics: Diagnostics,
): void {
  if (definition.QueryLanguage !== "JSONata") {
    const language = String(definition.QueryLanguage ?? "JSONPath (the default)");
    diagnostics.add(
      "/QueryLanguage",
      `The state machine's field 'QueryLanguage' must be 'JSONata', got ${language}`,
    );
    return;
  }
  checkFields(definition, machineFields, (field, problem) => {
    diagnostics.add(`/${field}`, `The state machine's field '${field}' ${problem}`);
  });
  checkScope(definition, {
    diagnostics,
    integrations,
    location: "",
    outerVariables: new Set(),
    depth: 0,
  });
  if (diagnostics.list.length > 0) return;
  checkStructure(definition as unknown as Definition, diagnostics);
}
