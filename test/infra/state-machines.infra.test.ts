import aslValidator from "asl-validator";
import { describe, expect, inject, it } from "vitest";
import {
  type StateMachineName,
  stateMachineDescriptions,
} from "../../deployment/state-machines.ts";
import { findDiagnostics } from "./asl-language-service.ts";
import { ofType } from "./evaluation.ts";

type State = {
  Type: string;
  Resource?: string;
  TimeoutSeconds?: number | string;
  HeartbeatSeconds?: number;
};
type Definition = { QueryLanguage: string; TimeoutSeconds: number; States: Record<string, State> };

const names = Object.keys(stateMachineDescriptions) as StateMachineName[];
const machines = ofType(inject("production"), "aws:sfn/stateMachine:StateMachine");
const definitionOf = (name: string) => {
  const found = machines.find(({ inputs }) => inputs.name === `switchyard-production-${name}`);
  return String(found?.inputs.definition);
};
/** A wait without heartbeats: after its timeout the evacuation looks at everything by itself. */
const POLLING = "AwaitChange";
/** Step Functions' limit for a definition. */
const DEFINITION_BYTES_MAX = 1_048_576;

it("the deployment has the described state machines, and no others", () => {
  expect(machines.map(({ inputs }) => String(inputs.name)).toSorted()).toEqual(
    names.map((name) => `switchyard-production-${name}`).toSorted(),
  );
});

describe.each(names)("the state machine %s", (name) => {
  const text = definitionOf(name);
  const definition = JSON.parse(text) as Definition;
  const tasks = Object.entries(definition.States).filter(([, { Type }]) => Type === "Task");

  it("is what the local cloud runs, but for the functions' names", () => {
    const arn = (task: string) =>
      `arn:aws:lambda:eu-central-1:123456789012:function:switchyard-production-${task}`;
    const { definition: describedBy } = stateMachineDescriptions[name];
    expect(definition).toEqual(JSON.parse(JSON.stringify(describedBy(arn))));
  });

  it("is valid for asl-validator", () => {
    expect(aslValidator(structuredClone(definition))).toMatchObject({ isValid: true, errors: [] });
  });

  it("is valid for AWS's language service", async () => {
    expect(await findDiagnostics(text)).toEqual([]);
    expect(await findDiagnostics(text.replace('"TimeoutSeconds"', '"Timeout"'))).not.toEqual([]);
  });

  it("ends some day, and fits into a request", () => {
    expect(definition.TimeoutSeconds).toBeGreaterThan(0);
    expect(Buffer.byteLength(text)).toBeLessThan(DEFINITION_BYTES_MAX);
  });

  it.each(tasks)("bounds %s, and its silence if it waits for a token", (state, task) => {
    expect(task.TimeoutSeconds).toBeDefined();
    if (!task.Resource?.endsWith(".waitForTaskToken")) return;
    if (state === POLLING) return;
    expect(task.HeartbeatSeconds).toBeGreaterThan(0);
  });
});
