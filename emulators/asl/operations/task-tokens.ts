import * as z from "zod";
import type { Engine } from "../engine.ts";
import { ServiceError, StatesError } from "../errors.ts";
import type { Execution } from "../execution.ts";
import type { Json } from "../json.ts";
import { CAUSE_LENGTH_MAX, ERROR_LENGTH_MAX } from "../limits.ts";
import { parseToken } from "../token.ts";
import { requireJson } from "./executions.ts";
import { parseInput } from "./input.ts";

const taskToken = z.string().min(1).max(2048);

export async function sendTaskSuccess(engine: Engine, raw: unknown): Promise<object> {
  const input = parseInput(z.strictObject({ taskToken, output: z.string() }), raw);
  requireJson(input.output, "InvalidOutput", "Invalid Output");
  const output = JSON.parse(input.output) as Json;
  return withTask(engine, input.taskToken, (execution, frame) =>
    execution.finishTask(frame, input.taskToken, { output }),
  );
}

const FailureInput = z.strictObject({
  taskToken,
  error: z.string().max(ERROR_LENGTH_MAX).optional(),
  cause: z.string().max(CAUSE_LENGTH_MAX).optional(),
});

export async function sendTaskFailure(engine: Engine, raw: unknown): Promise<object> {
  const { taskToken: token, error = "", cause } = parseInput(FailureInput, raw);
  return withTask(engine, token, (execution, frame) =>
    execution.finishTask(frame, token, { error: new StatesError(error, cause) }),
  );
}

export async function sendTaskHeartbeat(engine: Engine, raw: unknown): Promise<object> {
  const input = parseInput(z.strictObject({ taskToken }), raw);
  return withTask(engine, input.taskToken, (execution, frame) =>
    execution.heartbeat(frame, input.taskToken),
  );
}

/**
 * @throws ServiceError `InvalidToken` for what never was a token, `TaskDoesNotExist` when its
 *   execution is unknown, `TaskTimedOut` when the task does not wait for it any more
 */
async function withTask(
  engine: Engine,
  token: string,
  work: (execution: Execution, frame: number) => Promise<boolean>,
): Promise<object> {
  const parts = parseToken(token);
  if (!parts) throw new ServiceError("InvalidToken", "Invalid Token: 'Invalid token'");
  if (!engine.executions.hasKey(parts.executionKey)) {
    throw new ServiceError("TaskDoesNotExist", "Task Does Not Exist");
  }
  const execution = engine.executions.byKey(parts.executionKey);
  if (execution && (await work(execution, parts.frame))) return {};
  const message = "Task Timed Out: 'Provided task does not exist anymore'";
  throw new ServiceError("TaskTimedOut", message);
}
