import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { createClient } from "../../client/client.ts";
import { openApiDocument } from "../../functions/api/app.ts";
import { problemKinds } from "../../functions/http/problem-codes.ts";
import { type ApiDocument, operationsOf } from "../../scripts/api-reference.ts";
import { openApiFiles } from "../../scripts/openapi-files.ts";
import { declaredOperations } from "./testing/declared.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = JSON.stringify(openApiDocument());
const document = JSON.parse(text) as ApiDocument;
const operations = operationsOf(document).map(
  (placed) => [placed.operation.operationId, placed] as const,
);

describe("the OpenAPI document", () => {
  it("is valid for a validator that is not ours", async () => {
    expect(await new Validator().validate(JSON.parse(text))).toEqual({ valid: true });
  });

  it.each(Object.entries(openApiFiles()))("is what %s has: see `npm run openapi`", (path, made) => {
    const file = `${root}/${path}`;
    // Not `toBe`: the difference of two long texts takes minutes to print.
    expect(existsSync(file) && readFileSync(file, "utf8") === made).toBe(true);
  });

  it("names every operation once, and the client has a function for each name", () => {
    const names = operations.map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
    const client = createClient({ url: "http://localhost", token: "" });
    expect(names.filter((name) => !(name in client))).toEqual([]);
  });

  it.each(operations)("describes %s: tag, summary, examples", (_, { operation }) => {
    expect(document.tags.map(({ name }) => name)).toEqual(expect.arrayContaining(operation.tags));
    expect(operation.summary).toMatch(/^[A-Z].*[^.]$/);
    const contents = Object.values(operation.responses).map(({ content }) => content ?? {});
    for (const content of [...contents, operation.requestBody?.content ?? {}]) {
      for (const media of Object.values(content)) {
        expect(media?.example ?? media?.examples).toBeDefined();
      }
    }
  });

  it.each(operations)("says how %s is refused", (_, { operation }) => {
    const { security, responses } = operation;
    expect(responses).toHaveProperty("500");
    if (security === undefined) expect(responses).toHaveProperty("401");
    for (const [status, { content = {} }] of Object.entries(responses)) {
      const codes = Object.keys(content["application/problem+json"]?.examples ?? {});
      expect(codes.length > 0).toBe(Number(status) >= 400);
      for (const code of codes) {
        expect(problemKinds).toHaveProperty([code, "status"], Number(status));
        expect(document.components.examples).toHaveProperty([code]);
      }
    }
  });

  it("has no flag of a JavaScript expression in a pattern", () => {
    const patterns = [...text.matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)].map(
      ([, pattern = ""]) => JSON.parse(pattern) as string,
    );
    expect(patterns.length).toBeGreaterThan(5);
    expect(patterns.filter((pattern) => !/^\^.*\$$/.test(pattern))).toEqual([]);
  });
});

describe("every example", () => {
  const examples = declaredOperations().flatMap(({ operationId, request, responses }) =>
    Object.entries({ request: request?.body, ...responses }).flatMap(([place, media]) => {
      const json = media?.content?.["application/json"];
      return json === undefined ? [] : [{ name: `${operationId} ${place}`, ...json }];
    }),
  );

  it.each(examples)("fits its schema: $name", ({ schema, example }) => {
    expect(schema.safeParse(example).error).toBeUndefined();
  });
});
