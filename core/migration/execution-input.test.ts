import { describe, expect, it } from "vitest";
import { ExecutionInput, executionInput } from "./execution-input.ts";

const input = {
  migrationId: "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX",
  parties: { vm: "web1", source: "host-a", target: "host-b" },
  queueSeconds: 3_600,
  precopySeconds: 21_600,
  ackSeconds: 300,
  switchoverSeconds: 108_000,
};

describe("the input of an execution", () => {
  it.each([
    ["of a new migration", {}],
    ["with slots that were taken with the request", { admitted: "held" }],
    ["that observes again", { turn: 7 }],
  ])("%s is taken", (_, more) => {
    expect(ExecutionInput.parse({ ...input, ...more })).toEqual({ ...input, ...more });
  });

  it.each([
    ["another id", { migrationId: "mig_1" }],
    ["no time at all", { precopySeconds: 0 }],
    ["parts of seconds", { ackSeconds: 1.5 }],
    ["a turn before the first", { turn: 0 }],
    ["an admission that is denied", { admitted: false }],
    ["a party that is no name", { parties: { ...input.parties, target: "Host B" } }],
    ["a field that is not known", { attempt: 1 }],
  ])("with %s is refused", (_, more) => {
    expect(ExecutionInput.safeParse({ ...input, ...more }).success).toBe(false);
  });

  it.each(Object.keys(input))("without %s is refused", (field) => {
    expect(ExecutionInput.safeParse({ ...input, [field]: undefined }).success).toBe(false);
  });
});

it("a workflow reads a field from its context", () => {
  expect(executionInput("turn")).toBe("$states.context.Execution.Input.turn");
});
