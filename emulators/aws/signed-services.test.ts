import { ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { ListSchedulesCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { ListQueuesCommand } from "@aws-sdk/client-sqs";
import { expect, it } from "vitest";
import { startDynamodb } from "./dynamodb/dynamodb.ts";
import type { Credentials } from "./http/signature.ts";
import { invokeOverHttp } from "./lambda/invoke-over-http.ts";
import { functionRegistry } from "./lambda/registry.ts";
import { startLambda } from "./lambda/server.ts";
import { startScheduler } from "./scheduler/scheduler.ts";
import { startSqs } from "./sqs/sqs.ts";
import { clientConfig, dynamodbClient, sqsClient } from "./testing/clients.ts";

const credentials = { accessKeyId: "known", secretAccessKey: "secret" };

type Case = {
  service: string;
  start: () => Promise<{ endpoint: string; close(): Promise<void> }>;
  call: (endpoint: string, credentials: Credentials) => Promise<unknown>;
};

const registry = functionRegistry();
registry.register("echo", async (event) => event);
registry.register("fail", async () => {
  throw new RangeError("no");
});

function lambdaClient(endpoint: string, by: Credentials): LambdaClient {
  return new LambdaClient({ endpoint, region: "us-east-1", credentials: by, maxAttempts: 1 });
}

const cases: Case[] = [
  {
    service: "DynamoDB",
    start: () => startDynamodb({ credentials }),
    call: (endpoint, by) => dynamodbClient(endpoint, by).send(new ListTablesCommand({})),
  },
  {
    service: "SQS",
    start: () => startSqs({ credentials }),
    call: (endpoint, by) => sqsClient(endpoint, by).send(new ListQueuesCommand({})),
  },
  {
    service: "Lambda",
    start: () => startLambda({ registry, credentials }),
    call: (endpoint, by) =>
      lambdaClient(endpoint, by).send(new InvokeCommand({ FunctionName: "echo", Payload: "{}" })),
  },
  {
    service: "Scheduler",
    start: () => startScheduler({ invoke: registry.invoke, credentials }),
    call: (endpoint, by) =>
      new SchedulerClient(clientConfig(endpoint, by)).send(new ListSchedulesCommand({})),
  },
];

it.each(cases)("$service accepts its access key only", async ({ start, call }) => {
  const service = await start();
  try {
    await expect(call(service.endpoint, credentials)).resolves.toBeDefined();
    const unknown = { ...credentials, accessKeyId: "other" };
    await expect(call(service.endpoint, unknown)).rejects.toThrow(
      expect.objectContaining({ name: "UnrecognizedClientException" }),
    );
    const wrong = { ...credentials, secretAccessKey: "other" };
    await expect(call(service.endpoint, wrong)).rejects.toThrow(
      expect.objectContaining({ name: "InvalidSignatureException" }),
    );
  } finally {
    await service.close();
  }
});

it("a function is called through Lambda's API as within the process", async () => {
  const lambda = await startLambda({ registry, credentials });
  const client = lambdaClient(lambda.endpoint, credentials);
  const { signal } = new AbortController();
  const arn = "arn:aws:lambda:us-east-1:000000000000:function:";
  try {
    expect(await invokeOverHttp(client, `${arn}echo`, { a: 1 }, signal)).toEqual(
      await registry.invoke(`${arn}echo`, { a: 1 }),
    );
    const { functionError, payload } = await invokeOverHttp(client, "fail", {}, signal);
    expect(functionError).toBe("Unhandled");
    expect(payload).toMatchObject({ errorType: "RangeError", errorMessage: "no" });
    await expect(invokeOverHttp(client, "missing", {}, signal)).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
  } finally {
    client.destroy();
    await lambda.close();
  }
});
