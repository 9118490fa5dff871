import { describe, expect, it } from "vitest";
import { calledVerbs } from "../../cli/command-words.ts";
import { nouns, operationsWithoutVerb } from "../../cli/nouns.ts";
import { openApiDocument } from "../../functions/api/app.ts";

type Paths = Record<string, Record<string, { operationId: string }>>;

const { paths } = openApiDocument() as unknown as { paths: Paths };
const operations = Object.values(paths).flatMap((methods) =>
  Object.values(methods).map(({ operationId }) => operationId),
);
const called = calledVerbs(nouns);
const used = new Set(called.flatMap(({ verb }) => verb.operations));

describe("the commands", () => {
  it("reach every operation of the API, or it is listed as one without a verb", () => {
    const unreached = operations.filter((name) => !used.has(name));
    expect(unreached.toSorted()).toEqual(Object.keys(operationsWithoutVerb).toSorted());
  });

  it("name only operations that the API has", () => {
    expect([...used].filter((name) => !operations.includes(name))).toEqual([]);
  });

  it("have words of their own", () => {
    const words = called.map((one) => one.words);
    expect(new Set(words).size).toBe(words.length);
  });
});
