import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { Credentials } from "../http/signature.ts";

const anyKey: Credentials = { accessKeyId: "local", secretAccessKey: "local" };

/** Settings of an SDK client for a local service. One attempt, so that no failure is hidden. */
export function clientConfig(endpoint: string, credentials = anyKey) {
  return { endpoint, region: "us-east-1", credentials, maxAttempts: 1 };
}

export function dynamodbClient(endpoint: string, credentials = anyKey): DynamoDBClient {
  return new DynamoDBClient(clientConfig(endpoint, credentials));
}

export function documentClient(endpoint: string): DynamoDBDocumentClient {
  return DynamoDBDocumentClient.from(dynamodbClient(endpoint));
}

export function sqsClient(endpoint: string, credentials = anyKey): SQSClient {
  return new SQSClient(clientConfig(endpoint, credentials));
}

/** The error a promise fails with; a promise that does not fail is the test's failure. */
export async function errorOf<T extends Error = Error>(promise: Promise<unknown>): Promise<T> {
  try {
    await promise;
  } catch (error) {
    return error as T;
  }
  throw new Error("Expected a failure");
}
