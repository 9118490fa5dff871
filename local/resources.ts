import { join } from "node:path";
import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  ResourceInUseException,
  ResourceNotFoundException,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import {
  CreateStateMachineCommand,
  paginateListStateMachines,
  SFNClient,
  UpdateStateMachineCommand,
} from "@aws-sdk/client-sfn";
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { FunctionName } from "../deployment/functions.ts";
import { deadLetterAttributes } from "../deployment/queues.ts";
import { type StateMachineName, stateMachineDescriptions } from "../deployment/state-machines.ts";
import { TTL_ATTRIBUTE, tableSchema } from "../functions/store/table-schema.ts";
import { type DataFolder, DataFolderError, dataFiles } from "./data-folder.ts";

/** Creates what the deployment describes, in whatever services the SDK's settings name. */

/** @throws DataFolderError if a used folder has no table: its records are lost */
export async function requireTable({ path }: DataFolder, name: string): Promise<void> {
  const dynamodb = new DynamoDBClient({});
  try {
    await dynamodb.send(new DescribeTableCommand({ TableName: name }));
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    const { DYNAMODB: folder } = dataFiles.services;
    throw new DataFolderError(
      `The data folder ${path} was used, but the table ${name} in ${join(path, folder)} is ` +
        "gone; nothing was changed. Restore the whole folder from one backup",
    );
  } finally {
    dynamodb.destroy();
  }
}

/** Does nothing when the table exists. */
export async function createTable(name: string): Promise<void> {
  const dynamodb = new DynamoDBClient({});
  try {
    await dynamodb.send(new CreateTableCommand({ TableName: name, ...tableSchema }));
    await dynamodb.send(
      new UpdateTimeToLiveCommand({
        TableName: name,
        TimeToLiveSpecification: { Enabled: true, AttributeName: TTL_ATTRIBUTE },
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  } finally {
    dynamodb.destroy();
  }
}

/** Returns the queue's ARN. */
export async function createDeadLetterQueue(name: string): Promise<string> {
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  try {
    const { QueueUrl } = await sqs.send(
      new CreateQueueCommand({ QueueName: name, Attributes: deadLetterAttributes }),
    );
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }),
    );
    if (Attributes?.QueueArn === undefined) throw new Error(`Failed to read the ARN of ${name}`);
    return Attributes.QueueArn;
  } finally {
    sqs.destroy();
  }
}

/**
 * Creates or updates it. Running executions keep the definition that they started with.
 *
 * @returns its ARN
 */
export async function createStateMachine(
  name: StateMachineName,
  refs: { physicalName: string; functionArn: (name: FunctionName) => string; roleArn: string },
): Promise<string> {
  const { physicalName, functionArn, roleArn } = refs;
  const definition = JSON.stringify(stateMachineDescriptions[name].definition(functionArn));
  const sfn = new SFNClient({});
  try {
    const known = await findStateMachine(sfn, physicalName);
    if (known !== undefined) {
      await sfn.send(new UpdateStateMachineCommand({ stateMachineArn: known, definition }));
      return known;
    }
    const made = await sfn.send(
      new CreateStateMachineCommand({ name: physicalName, definition, roleArn }),
    );
    if (made.stateMachineArn === undefined) throw new Error(`Failed to create ${physicalName}`);
    return made.stateMachineArn;
  } finally {
    sfn.destroy();
  }
}

async function findStateMachine(sfn: SFNClient, name: string): Promise<string | undefined> {
  for await (const { stateMachines = [] } of paginateListStateMachines({ client: sfn }, {})) {
    const found = stateMachines.find((machine) => machine.name === name);
    if (found !== undefined) return found.stateMachineArn;
  }
  return undefined;
}
