import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import type { Invocation } from "./registry.ts";

/**
 * Calls a function through Lambda's API, as Step Functions on AWS does.
 *
 * @throws the SDK's error for an error of the service, such as `ResourceNotFoundException`
 */
export async function invokeOverHttp(
  client: LambdaClient,
  functionName: string,
  event: unknown,
  signal: AbortSignal,
): Promise<Invocation> {
  const command = new InvokeCommand({
    FunctionName: functionName,
    Payload: JSON.stringify(event ?? {}),
  });
  const { Payload, FunctionError } = await client.send(command, { abortSignal: signal });
  const payload: unknown = JSON.parse(Payload?.transformToString() || "null");
  return FunctionError === undefined ? { payload } : { payload, functionError: "Unhandled" };
}
