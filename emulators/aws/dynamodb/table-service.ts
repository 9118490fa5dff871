import { type DynamodbOptions, startDynamodb } from "./dynamodb.ts";

/** Our DynamoDB. TEST_ENGINE_DYNAMODB names another one to try in its place. */
export async function startTableService(
  options: DynamodbOptions = {},
): Promise<{ endpoint: string; close(): Promise<void> }> {
  const outside = process.env.TEST_ENGINE_DYNAMODB;
  if (outside === undefined) return startDynamodb(options);
  return { endpoint: outside, close: async () => undefined };
}
