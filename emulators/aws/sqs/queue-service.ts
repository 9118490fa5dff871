import { startSqs } from "./sqs.ts";

/** Our SQS. SQS_ENDPOINT names another one to try in its place. */
export async function startQueueService(): Promise<{ endpoint: string; close(): Promise<void> }> {
  const outside = process.env.SQS_ENDPOINT;
  if (outside === undefined) return startSqs();
  return { endpoint: outside, close: async () => undefined };
}
