import { type DynamodbOptions, startDynamodb } from "./dynamodb.ts";

/** Our DynamoDB. DYNAMODB_ENDPOINT names another one to try in its place. */
export async function startTableService(
  options: DynamodbOptions = {},
): Promise<{ endpoint: string; close(): Promise<void> }> {
  const outside = process.env.DYNAMODB_ENDPOINT;
  if (outside === undefined) return startDynamodb(options);
  return { endpoint: outside, close: async () => undefined };
}
