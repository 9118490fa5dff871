import aslValidator from "asl-validator";
import { describe, expect, it } from "vitest";
import { machine } from "../testing/fixture.ts";
import { validateDefinition } from "./validate.ts";

const end = { End: true };
const pass = { Type: "Pass", ...end };
const inner = { StartAt: "I", States: { I: pass } };
const parallel = (...Branches: object[]) => ({ Type: "Parallel", Branches, ...end });

const cases: readonly [what: string, definition: object, message: string, code: string][] = [
  [
    "an unreachable state",
    machine({ A: pass, B: pass }),
    "State 'B' is not reachable",
    "MISSING_TRANSITION_TARGET",
  ],
  [
    "an unreachable state of a branch",
    machine({ A: parallel(inner, { StartAt: "J", States: { J: pass, K: pass } }) }),
    "State 'K' is not reachable",
    "MISSING_TRANSITION_TARGET",
  ],
  [
    "a loop without an end",
    machine({ A: { Type: "Pass", Next: "B" }, B: { Type: "Pass", Next: "A" } }),
    "No state has 'End', or is of type 'Succeed' or 'Fail'",
    "MISSING_TERMINAL_STATE",
  ],
  [
    "a name that an inner state has, too",
    machine({ A: { Type: "Map", ItemProcessor: { StartAt: "A", States: { A: pass } }, ...end } }),
    "State 'A': another state has this name",
    "DUPLICATE_STATE_NAMES",
  ],
];

describe("a definition is refused, by asl-validator too, for", () => {
  it.each(cases)("%s", (_what, definition, message, code) => {
    const { diagnostics } = validateDefinition(JSON.stringify(definition), new Set());
    expect(diagnostics).toMatchObject([{ code, message }]);
    const { errors } = aslValidator(structuredClone(definition));
    expect(errors.map((error) => error["Error code"])).toContain(code);
  });
});

it("states are reached by rules of a choice, its default and catchers, as for asl-validator", () => {
  const definition = machine({
    A: { Type: "Choice", Choices: [{ Condition: "{% true %}", Next: "B" }], Default: "C" },
    B: { ...parallel(inner), Catch: [{ ErrorEquals: ["States.ALL"], Next: "D" }] },
    C: { Type: "Succeed" },
    D: { Type: "Fail" },
  });
  expect(validateDefinition(JSON.stringify(definition), new Set()).diagnostics).toEqual([]);
  expect(aslValidator(structuredClone(definition))).toMatchObject({ isValid: true });
});
