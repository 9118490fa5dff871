import conditionParser from "dynalite/db/conditionParser.js";
import updateParser from "dynalite/db/updateParser.js";
import { expect, it } from "vitest";
import "./parsed-expressions.ts";

type Values = Record<string, Record<string, unknown>>;

function contextOf(attrNames: Record<string, string>, attrVals: Values) {
  const all = (names: object) => Object.fromEntries(Object.keys(names).map((name) => [name, true]));
  return { attrNames, attrVals, unusedAttrNames: all(attrNames), unusedAttrVals: all(attrVals) };
}

const names = { "#a": "first", "#b": "second" };

it("an expression that comes again has the values of its own request, and a form of its own", () => {
  const expression = "#a = :one AND size(#b) < :two";
  const parse = (one: string, two: string) => {
    const context = contextOf(names, {
      ":one": { S: one },
      ":two": { N: two },
      ":three": { S: "" },
    });
    const parsed = conditionParser.parse(expression, { context });
    return { parsed, unused: [context.unusedAttrNames, context.unusedAttrVals] };
  };
  const first = parse("x", "1");
  const again = parse("y", "2");
  expect(JSON.stringify(again.parsed)).toBe(
    JSON.stringify(first.parsed).replace('"x"', '"y"').replace('"1"', '"2"'),
  );
  for (const { unused } of [first, again]) expect(unused).toEqual([{}, { ":three": true }]);
  expect(parse("y", "2").parsed).not.toBe(again.parsed);
});

it("the same text with other names, or values of other types, is another expression", () => {
  const update = (attrNames: Record<string, string>, attrVals: Values) =>
    updateParser.parse("ADD #a :one", { context: contextOf(attrNames, attrVals) });
  const added = update({ "#a": "first" }, { ":one": { N: "1" } });
  expect(update({ "#a": "second" }, { ":one": { N: "1" } })).not.toEqual(added);
  const refusal = update({ "#a": "first" }, { ":one": { S: "1" } });
  expect(refusal).toContain("Incorrect operand type");
  // A refusal is not kept.
  expect(update({ "#a": "first" }, { ":one": { S: "2" } })).toBe(refusal);
  expect(update({ "#a": "first" }, { ":one": { N: "1" } })).toEqual(added);
});

it("two expressions of one request may use the same names and values", () => {
  const context = () => contextOf({ "#a": "first" }, { ":one": { N: "1" } });
  const both = context();
  updateParser.parse("SET #a = :one", { context: both });
  conditionParser.parse("#a < :one", { context: both });
  const alone = context();
  conditionParser.parse("#a < :one", { context: alone });
  for (const one of [both, alone])
    expect([one.unusedAttrNames, one.unusedAttrVals]).toEqual([{}, {}]);
});

it("what is checked of the values themselves is checked each time", () => {
  const between = (low: string, high: string) =>
    conditionParser.parse("#a BETWEEN :low AND :high", {
      context: {
        ...contextOf({ "#a": "first" }, { ":low": { N: low }, ":high": { N: high } }),
        compare: (_: string, one: { N: string }, other: { N: string }) => +one.N > +other.N,
      },
    });
  expect(between("1", "2")).toMatchObject({ expression: { type: "between" } });
  expect(between("3", "2")).toContain("upper bound");
});
