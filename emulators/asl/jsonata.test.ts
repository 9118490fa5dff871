import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, machine, outputOf, startFixture } from "./testing/fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture({});
});
afterAll(() => fixture.close());

describe("JSONata", () => {
  async function evaluate(expression: string): Promise<unknown> {
    const states = { A: { Type: "Pass", Output: { is: `{% ${expression} %}` }, End: true } };
    return (outputOf(await fixture.run(machine(states))) as { is: unknown }).is;
  }

  it.each([
    ["$partition([1,2,3,4,5], 2)", [[1, 2], [3, 4], [5]]],
    ["$range(0, 10, 5)", [0, 5, 10]],
    ["$hash('abc', 'SHA-256')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["$random(7) = $random(7)", true],
    ["$length($uuid())", 36],
    ["$parse('{\"a\":[1]}').a[0]", 1],
    ["$map([1,2], function($x) { $x * 2 })", [2, 4]],
    ["$millis() > 0", true],
  ])("evaluates %s", async (expression, value) => {
    expect(await evaluate(expression)).toEqual(value);
  });

  it.each([
    ["$states.input.nothing", "returned nothing (undefined)"],
    ["$parse('{')", "threw an error"],
    ["1 + 'a'", "T2002"],
    ["function($x) { $x }", "returned a function"],
  ])("refuses %s with States.QueryEvaluationError", async (expression, reason) => {
    const states = { A: { Type: "Pass", Output: { is: `{% ${expression} %}` }, End: true } };
    const { error, cause } = await fixture.run(machine(states));
    expect(error).toBe("States.QueryEvaluationError");
    expect(cause).toContain(reason);
    expect(cause).toContain("field 'Output/is'");
  });

  it("is stopped when it does not end", async () => {
    const endless = "($f := function($x) { $f($x + 1) }; $f(0))";
    const states = { A: { Type: "Pass", Output: `{% ${endless} %}`, End: true } };
    const { cause } = await fixture.run(machine(states));
    expect(cause).toContain("evaluation steps");
  });
});
