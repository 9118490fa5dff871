import * as z from "zod";
import type { Engine } from "../engine.ts";
import { ServiceError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { MachineUpdate } from "../machines.ts";
import { requireName } from "../names.ts";
import type { Diagnostic } from "../validate/diagnostic.ts";
import { validateDefinition } from "../validate/validate.ts";
import { arn, maxResults, nextToken, parseInput } from "./input.ts";
import { ascending, pageOf } from "./page.ts";

// Logging and tracing do nothing here; the configuration is stored and returned.
const configuration = {
  loggingConfiguration: z
    .strictObject({
      level: z.enum(["ALL", "ERROR", "FATAL", "OFF"]).optional(),
      includeExecutionData: z.boolean().optional(),
      destinations: z.array(z.json()).max(1).optional(),
    })
    .optional(),
  tracingConfiguration: z.strictObject({ enabled: z.boolean().optional() }).optional(),
};
const definition = z.string().min(1).max(1_048_576);
const type = z.literal("STANDARD").optional();

const CreateInput = z.strictObject({
  name: z.string(),
  definition,
  roleArn: z.string().min(1).max(256),
  type,
  publish: z.literal(false).optional(),
  ...configuration,
});

export function createStateMachine(engine: Engine, raw: unknown): object {
  const input = parseInput(CreateInput, raw);
  requireName(input.name);
  requireDefinition(engine, input.definition);
  const machine = engine.machines.create(
    {
      name: input.name,
      roleArn: input.roleArn,
      definition: input.definition,
      loggingConfiguration: logging(input),
      tracingConfiguration: tracing(input),
    },
    engine.clock.now(),
  );
  return { stateMachineArn: machine.arn, creationDate: machine.createdAt / 1000 };
}

const UpdateInput = z.strictObject({
  stateMachineArn: arn,
  definition: definition.optional(),
  roleArn: z.string().min(1).max(256).optional(),
  publish: z.literal(false).optional(),
  ...configuration,
});

export function updateStateMachine(engine: Engine, raw: unknown): object {
  const input = parseInput(UpdateInput, raw);
  engine.machines.get(input.stateMachineArn);
  if (input.definition !== undefined) requireDefinition(engine, input.definition);
  const update: MachineUpdate = {
    ...(input.definition !== undefined && { definition: input.definition }),
    ...(input.roleArn !== undefined && { roleArn: input.roleArn }),
    ...(input.loggingConfiguration && { loggingConfiguration: logging(input) }),
    ...(input.tracingConfiguration && { tracingConfiguration: tracing(input) }),
  };
  if (Object.keys(update).length === 0) {
    const message = "Either the definition, the role ARN or a configuration must be specified";
    throw new ServiceError("MissingRequiredParameter", message);
  }
  const { revisionId } = engine.machines.update(input.stateMachineArn, update);
  return { updateDate: engine.clock.now() / 1000, revisionId };
}

export function describeStateMachine(engine: Engine, raw: unknown): object {
  const input = parseInput(z.strictObject({ stateMachineArn: arn }), raw);
  const machine = engine.machines.get(input.stateMachineArn);
  return {
    stateMachineArn: machine.arn,
    name: machine.name,
    status: machine.status,
    definition: engine.machines.definitionText(machine.definitionId),
    roleArn: machine.roleArn,
    type: "STANDARD",
    creationDate: machine.createdAt / 1000,
    loggingConfiguration: machine.loggingConfiguration,
    tracingConfiguration: machine.tracingConfiguration,
    revisionId: machine.revisionId,
  };
}

export function listStateMachines(engine: Engine, raw: unknown): object {
  const input = parseInput(z.strictObject({ maxResults, nextToken }), raw);
  const machines = engine.machines.list().filter(({ status }) => status === "ACTIVE");
  const page = pageOf(machines, input, (each) => `${ascending(each.createdAt)} ${each.arn}`);
  return {
    stateMachines: page.items.map((machine) => ({
      stateMachineArn: machine.arn,
      name: machine.name,
      type: "STANDARD",
      creationDate: machine.createdAt / 1000,
    })),
    ...page.next,
  };
}

/** As on AWS, deleting a machine that does not exist succeeds. */
export function deleteStateMachine(engine: Engine, raw: unknown): object {
  const input = parseInput(z.strictObject({ stateMachineArn: arn }), raw);
  engine.deleteMachine(input.stateMachineArn);
  return {};
}

const ValidateInput = z.strictObject({
  definition,
  type,
  severity: z.enum(["ERROR", "WARNING"]).optional(),
  maxResults: z.int().min(0).max(100).optional(),
});

export function validateStateMachineDefinition(engine: Engine, raw: unknown): object {
  const input = parseInput(ValidateInput, raw);
  const { diagnostics } = validateDefinition(input.definition, engine.integrations);
  const shown = diagnostics.slice(0, input.maxResults || 100);
  return {
    result: diagnostics.length === 0 ? "OK" : "FAIL",
    diagnostics: shown.map((each: Diagnostic) => ({ severity: "ERROR", ...each })),
    truncated: shown.length < diagnostics.length,
  };
}

function requireDefinition(engine: Engine, text: string): void {
  const { diagnostics } = validateDefinition(text, engine.integrations);
  if (diagnostics.length === 0) return;
  const problems = diagnostics.map((each) => `${each.code}: ${each.message} at ${each.location}`);
  const message = `Invalid State Machine Definition: '${problems.join(", ")}'`;
  throw new ServiceError("InvalidDefinition", message);
}

type Configured = z.output<typeof UpdateInput> | z.output<typeof CreateInput>;

function logging({ loggingConfiguration: given }: Configured): Json {
  return {
    level: given?.level ?? "OFF",
    includeExecutionData: given?.includeExecutionData ?? false,
    ...(given?.destinations && { destinations: given.destinations as Json }),
  };
}

function tracing({ tracingConfiguration: given }: Configured): Json {
  return { enabled: given?.enabled ?? false };
}
