import { generateKeyPairSync, randomBytes } from "node:crypto";
import { paginateScan, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { exportPrivateKey } from "../../../core/protocol/signature.ts";
import { type DynamodbOptions, startDynamodb } from "../../../emulators/aws/dynamodb/dynamodb.ts";
import { startSqs } from "../../../emulators/aws/sqs/sqs.ts";
import { hashSecret } from "../../../functions/runtime/auth.ts";
import { closeClients, documents } from "../../../functions/runtime/clients.ts";
import { createDeadLetterQueue, createTable } from "../../../local/resources.ts";
import { startStub } from "./step-functions-stub.ts";

export const OPERATOR_TOKEN = "operator-token-of-this-test";
/** Services of others in place of ours, where `npm run test:engines` names them. */
const outside = {
  dynamodb: process.env.DYNAMODB_ENDPOINT,
  sqs: process.env.SQS_ENDPOINT,
};

export type TestCloud = Awaited<ReturnType<typeof startTestCloud>>;

/**
 * The services that functions need: the local DynamoDB and SQS, and a stub of Step Functions and of
 * Lambda that calls the real agent-events. Sets this process's environment.
 */
export async function startTestCloud(options: DynamodbOptions = {}) {
  const [dynamodb, sqs] = await Promise.all([startDynamodb(options), startSqs()]);
  // Test files share what lies outside.
  const name = `sy-${randomBytes(3).toString("hex")}`;
  const stub = await startStub(async (payload) => {
    const { handler } = await import("../../../functions/agent-events/index.ts");
    return handler(payload);
  });
  Object.assign(process.env, {
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_ENDPOINT_URL_DYNAMODB: outside.dynamodb ?? dynamodb.endpoint,
    AWS_ENDPOINT_URL_SQS: outside.sqs ?? sqs.endpoint,
    AWS_ENDPOINT_URL_SFN: stub.endpoint,
    AWS_ENDPOINT_URL_LAMBDA: stub.endpoint,
    TABLE_NAME: name,
    HOST_QUEUE_PREFIX: `${name}-host-`,
    MIGRATION_STATE_MACHINE_ARN: "arn:aws:states:eu-central-1:123456789012:stateMachine:migration",
    EVACUATION_STATE_MACHINE_ARN:
      "arn:aws:states:eu-central-1:123456789012:stateMachine:evacuation",
    AGENT_EVENTS_FUNCTION: "agent-events",
    OPEN_WINDOW_FUNCTION_ARN: "arn:aws:lambda:eu-central-1:123456789012:function:open-window",
    SCHEDULE_GROUP: "default",
    SCHEDULER_ROLE_ARN: "arn:aws:iam::123456789012:role/test",
    OPERATOR_TOKEN_SHA256: hashSecret(OPERATOR_TOKEN),
    COMMAND_SIGNING_KEY: exportPrivateKey(generateKeyPairSync("ed25519").privateKey),
    // Tests call more often than anybody else.
    REQUESTS_PER_SECOND_MAX: "0",
    LOG_LEVEL: "silent",
  });
  await createTable(name);
  process.env.DEAD_LETTER_QUEUE_ARN = await createDeadLetterQueue(`${name}-dead-letters`);
  return {
    stub,
    /** Reach the services from within this process, without a connection. */
    transports: { DYNAMODB: dynamodb.transport, SQS: sqs.transport },
    /** The whole table but the audit and the events of the fleet, sorted by key. */
    async scan(): Promise<Row[]> {
      return (await scanTable(name)).filter((row) => !isAudit(row) && !isFleetEvent(row));
    },
    async scanAudit(): Promise<Row[]> {
      return (await scanTable(name)).filter(isAudit);
    },
    /** Changes one attribute of an item that exists. */
    async update(Key: Key, attribute: string, value: unknown): Promise<void> {
      const set = new UpdateCommand({
        TableName: name,
        Key,
        UpdateExpression: "SET #name = :value",
        ExpressionAttributeNames: { "#name": attribute },
        ExpressionAttributeValues: { ":value": value },
      });
      await documents().send(set);
    },
    async close() {
      closeClients();
      await Promise.all([dynamodb.close(), sqs.close(), stub.close()]);
    },
  };
}

type Key = { pk: string; sk: string };
type Row = Record<string, unknown>;

const isFleetEvent = ({ pk }: Row) => String(pk).startsWith("FLEET#");
const isAudit = ({ pk }: Row) => String(pk).startsWith("AUDIT#");

/** Sorted by key. */
async function scanTable(name: string): Promise<Row[]> {
  const items: Row[] = [];
  for await (const page of paginateScan({ client: documents() }, { TableName: name })) {
    items.push(...(page.Items ?? []));
  }
  const key = (item: Row) => `${item.pk} ${item.sk}`;
  return items.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
