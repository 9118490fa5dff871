import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { DescribeTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient } from "@aws-sdk/client-sqs";
import { namesOf } from "../../deployment/names.ts";
import { startDynamodb } from "../../emulators/aws/dynamodb/dynamodb.ts";
import { startSqs } from "../../emulators/aws/sqs/sqs.ts";
import { dataFiles, openDataFolder } from "../data-folder.ts";
import { createDeadLetterQueue, createTable } from "../resources.ts";
import type { Queues } from "./host-queues.ts";
import type { Table } from "./table.ts";
import { TransferError } from "./transfer-error.ts";

/** Where a table is, and the queues of its hosts. */
export type Place = { table: Table; queues(): Promise<Queues>; close(): Promise<void> };

/** A table that a data folder has, or the stage of a deployment. */
export type PlaceOptions = { dataDir?: string; name: string; stage?: string };

/**
 * @param use `to` makes a data folder that is not there yet
 * @throws TransferError, DataFolderError
 */
export function openPlace(options: PlaceOptions, use: "from" | "to"): Promise<Place> {
  const { dataDir, name, stage } = options;
  if (dataDir !== undefined && stage === undefined) return openFolder(resolve(dataDir), name, use);
  if (dataDir === undefined && stage !== undefined) return openStage(stage);
  throw new TransferError("Expected either --data-dir FOLDER or --stage NAME");
}

async function openFolder(path: string, name: string, use: "from" | "to"): Promise<Place> {
  const isThere = existsSync(join(path, dataFiles.marker));
  if (!isThere && use === "from") throw new TransferError(`${path} is no data folder`);
  const folder = openDataFolder(path, ["DYNAMODB", "SQS", "SFN"]);
  const parts: { close(): Promise<void> }[] = [{ close: async () => folder.close() }];
  const close = async () => {
    for (const part of parts.splice(0).reverse()) await part.close();
  };
  try {
    const { accessKey: credentials, generation } = folder;
    const kept = { credentials, generation, flush: true };
    const data = (service: string) => join(path, service);
    const own = { DYNAMODB: data(dataFiles.services.DYNAMODB), SQS: data(dataFiles.services.SQS) };
    const dynamodb = await startDynamodb({ ...kept, dataDir: own.DYNAMODB });
    parts.push(dynamodb);
    const sqs = await startSqs({ ...kept, dataDir: own.SQS });
    parts.push(sqs);
    process.env.AWS_REGION ??= "us-east-1";
    process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey;
    process.env.AWS_ENDPOINT_URL_DYNAMODB = dynamodb.endpoint;
    process.env.AWS_ENDPOINT_URL_SQS = sqs.endpoint;
    if (use === "to") await createTable(name);
    const deadLetters = `${name}-dead-letters`;
    const clients = await openClients(name, { prefix: `${name}-host-`, deadLetters });
    parts.push(clients);
    const queues = async () => {
      await createDeadLetterQueue(deadLetters);
      return clients.queues();
    };
    return { table: clients.table, queues, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Region, credentials and endpoints are the SDK's own settings. */
function openStage(stage: string): Promise<Place> {
  const { table, hostQueuePrefix: prefix, deadLetterQueue: deadLetters } = namesOf(stage);
  return openClients(table, { prefix, deadLetters });
}

async function openClients(
  name: string,
  { prefix, deadLetters }: { prefix: string; deadLetters: string },
): Promise<Place> {
  const dynamodb = new DynamoDBClient({});
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const close = async () => {
    dynamodb.destroy();
    sqs.destroy();
  };
  try {
    await dynamodb.send(new DescribeTableCommand({ TableName: name }));
  } catch (error) {
    await close();
    throw new TransferError(`There is no table ${name}: ${(error as Error).message}`);
  }
  const queues = async () => {
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: deadLetters }));
    const attributes = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] });
    const { Attributes } = await sqs.send(attributes);
    return { sqs, prefix, deadLetterQueueArn: Attributes?.QueueArn ?? "" };
  };
  return { table: { dynamodb, name }, queues, close };
}
