import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SFNClient } from "@aws-sdk/client-sfn";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";

/**
 * One client of each service per process, with kept-alive connections. Region, credentials and
 * endpoints come from the SDK's own settings (AWS_REGION, AWS_ENDPOINT_URL_*), so the same code
 * runs on AWS and on one machine.
 */
export const documents = once(() =>
  DynamoDBDocumentClient.from(new DynamoDBClient({ ...bounded, ...carried.DYNAMODB }), {
    marshallOptions: { removeUndefinedValues: true },
  }),
);

export const stepFunctions = once(() => new SFNClient({ ...bounded, ...carried.SFN }));

/** A queue's URL names the queue; the endpoint is the SDK's, so a moved endpoint breaks no URL. */
export const queues = once(
  () => new SQSClient({ ...bounded, useQueueUrlAsEndpoint: false, ...carried.SQS }),
);

export const functions = once(() => new LambdaClient(bounded));

/**
 * Requests to a service go this way in place of HTTP, where the service is part of this very
 * process. To be said before its first call.
 */
export function carry(service: CarriedService, by: Carriage): void {
  carried[service] = by;
}

export type CarriedService = "DYNAMODB" | "SFN" | "SQS";
type Carriage = Required<Pick<DynamoDBClientConfig, "requestHandler" | "signer">>;
const carried: Partial<Record<CarriedService, Carriage>> = {};

/** A call is given up, or tried again, long before a function's own deadline. */
const bounded = {
  maxAttempts: 3,
  requestHandler: {
    connectionTimeout: 2_000,
    requestTimeout: 10_000,
    throwOnRequestTimeout: true,
    httpAgent: { keepAlive: true, maxSockets: 128 },
    httpsAgent: { keepAlive: true, maxSockets: 128 },
  },
};

/** Cuts kept-alive connections; the next call opens new ones. For a process that is about to end. */
export function closeClients(): void {
  for (const client of [documents(), stepFunctions(), queues(), functions()]) client.destroy();
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
