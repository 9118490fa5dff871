import { StatesError } from "./errors.ts";
import type { Call } from "./frame.ts";
import type { CallJob, TaskResult } from "./host.ts";
import { isObject, type Json, toJson } from "./json.ts";

/** Answer of a function: its result, or the error document with what kind of error it is. */
export type InvokeResult = {
  readonly payload: unknown;
  /** As in Lambda's `X-Amz-Function-Error`. */
  readonly functionError?: "Unhandled" | "Handled" | undefined;
};

/**
 * Calls a function by name or ARN. A rejection stands for an error of the Lambda service itself and
 * is seen by Retry and Catch as `Lambda.` and the error's name, as
 * `Lambda.ResourceNotFoundException`.
 */
export type Invoke = (
  functionArnOrName: string,
  payload: unknown,
  signal: AbortSignal,
) => Promise<InvokeResult>;

/**
 * Carries out a service integration. A rejection is seen as the service and the error's name, as
 * `DynamoDB.ConditionalCheckFailedException`.
 */
export type Integration = (
  parameters: Record<string, unknown>,
  signal: AbortSignal,
) => Promise<unknown>;

export async function callFunction(
  job: CallJob,
  call: Call & { readonly kind: "function" },
  invoke: Invoke,
): Promise<TaskResult> {
  try {
    const result = await invoke(call.functionName, call.payload, job.signal);
    const payload = toJson(result.payload);
    if (result.functionError !== undefined) return { error: functionError(payload) };
    if (call.isPlain) return { output: payload };
    return { output: { ExecutedVersion: "$LATEST", Payload: payload, StatusCode: 200 } };
  } catch (error) {
    return { error: serviceError("Lambda", error, "SdkClientException") };
  }
}

export async function callIntegration(
  job: CallJob,
  parameters: Record<string, unknown>,
  integration: Integration,
): Promise<TaskResult> {
  try {
    return { output: toJson(await integration(parameters, job.signal)) };
  } catch (error) {
    return { error: serviceError("DynamoDB", error, "SdkClientException") };
  }
}

/** An error of a service as Step Functions names it: `Service.ErrorName`. */
export function serviceError(service: string, error: unknown, fallback: string): StatesError {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return new StatesError(`${service}.${name === "Error" ? fallback : name}`, message);
}

/** The error's name is its errorType, and the cause is the whole document as text, as on AWS. */
function functionError(payload: Json): StatesError {
  const type = isObject(payload) ? payload.errorType : undefined;
  return new StatesError(
    typeof type === "string" && type !== "" ? type : "Lambda.Unknown",
    JSON.stringify(payload),
  );
}
