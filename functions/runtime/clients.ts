import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { SFNClient } from "@aws-sdk/client-sfn";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { tableError } from "./table-failure.ts";

/**
 * One client of each service per process, with kept-alive connections. Region, credentials and
 * endpoints come from the SDK's own settings (AWS_REGION, AWS_ENDPOINT_URL_*), so the same code
 * runs on AWS and on one machine.
 */
export const documents = once(() => {
  const client = new DynamoDBClient({ ...bounded, logger, ...transportTo("DYNAMODB") });
  client.middlewareStack.add(
    (next) => (call) =>
      next(call).catch((error: unknown) => {
        throw tableError(error);
      }),
    { step: "initialize", name: "tableError" },
  );
  return DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
});

export const stepFunctions = once(
  () => new SFNClient({ ...bounded, logger, ...transportTo("SFN") }),
);

/** A queue's URL names the queue; the endpoint is the SDK's, so a moved endpoint breaks no URL. */
export const queues = once(
  () => new SQSClient({ ...bounded, logger, useQueueUrlAsEndpoint: false, ...transportTo("SQS") }),
);

export const functions = once(
  () => new LambdaClient({ ...bounded, logger, ...transportTo("LAMBDA") }),
);

export const scheduler = once(
  () => new SchedulerClient({ ...bounded, logger, ...transportTo("SCHEDULER") }),
);

/** A service of AWS, named as in the SDK's AWS_ENDPOINT_URL_*. */
export type Service = "DYNAMODB" | "LAMBDA" | "SCHEDULER" | "SFN" | "SQS";
/** Answers the SDK's HTTP requests without a connection. */
export type RequestHandler = NonNullable<DynamoDBClientConfig["requestHandler"]>;

/**
 * Test and local mode only: passes all requests to a service to `handler`, which runs in this
 * process. The requests are not signed, and the time limits of {@link bounded} do not apply.
 *
 * Call it before the first request to the service: a client that exists keeps its transport.
 */
export function overrideTransport(service: Service, handler: RequestHandler): void {
  transports.set(service, { requestHandler: handler, signer: noSigner });
}

const transports = new Map<Service, { requestHandler: RequestHandler; signer: typeof noSigner }>();
const noSigner = { sign: async <T>(request: T): Promise<T> => request };

function transportTo(service: Service) {
  return transports.get(service) ?? {};
}

/** A call times out, or is repeated, long before a function's own deadline. */
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

/**
 * The SDK hands each input and output to the logger's `info`, with what is sensitive taken out of a
 * copy: work for nothing, since its default logger drops them. Without `info` nothing is copied.
 */
const logger = {
  trace: () => undefined,
  debug: () => undefined,
  warn: console.warn,
  error: () => undefined,
} as unknown as NonNullable<DynamoDBClientConfig["logger"]>;

/** Closes kept-alive connections, for a process that is about to end; another call opens new ones. */
export function closeClients(): void {
  const all = [documents(), stepFunctions(), queues(), functions(), scheduler()];
  for (const client of all) client.destroy();
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
