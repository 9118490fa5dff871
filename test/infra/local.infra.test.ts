import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import { CreateStateMachineCommand, SFNClient } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import * as z from "zod";
import { startStepFunctions } from "../../emulators/asl/server.ts";
import { startDynamodb } from "../../emulators/aws/dynamodb/dynamodb.ts";
import { tableSchema } from "../../functions/store/table-schema.ts";
import { inputsOf, ofType } from "./evaluation.ts";

const evaluation = inject("production");
const credentials = { accessKeyId: "local", secretAccessKey: "local" };
const region = "eu-central-1";

const Table = z.object({
  name: z.string(),
  billingMode: z.literal("PAY_PER_REQUEST"),
  attributes: z.array(z.object({ name: z.string(), type: z.enum(["S", "N", "B"]) })),
  hashKey: z.string(),
  rangeKey: z.string(),
  globalSecondaryIndexes: z.array(
    z.object({
      name: z.string(),
      hashKey: z.string(),
      rangeKey: z.string(),
      projectionType: z.enum(["ALL", "KEYS_ONLY", "INCLUDE"]),
      nonKeyAttributes: z.array(z.string()),
    }),
  ),
});

/** CreateTable's input for the table that the deployment declares. */
function tableInput(): CreateTableCommandInput {
  const table = Table.parse(inputsOf(evaluation, "aws:dynamodb/table:Table"));
  return {
    TableName: table.name,
    BillingMode: table.billingMode,
    AttributeDefinitions: table.attributes.map(({ name, type }) => ({
      AttributeName: name,
      AttributeType: type,
    })),
    KeySchema: keySchema(table),
    GlobalSecondaryIndexes: table.globalSecondaryIndexes.map((index) => ({
      IndexName: index.name,
      KeySchema: keySchema(index),
      Projection: {
        ProjectionType: index.projectionType,
        NonKeyAttributes: index.nonKeyAttributes,
      },
    })),
  };
}

function keySchema({ hashKey, rangeKey }: { hashKey: string; rangeKey: string }) {
  return [
    { AttributeName: hashKey, KeyType: "HASH" as const },
    { AttributeName: rangeKey, KeyType: "RANGE" as const },
  ];
}

let services: Awaited<ReturnType<typeof startServices>>;
beforeAll(async () => {
  services = await startServices();
});
afterAll(() => services.close());

async function startServices() {
  const dynamodb = await startDynamodb();
  const sfn = await startStepFunctions({
    region,
    accountId: "123456789012",
    invoke: () => Promise.reject(new Error("Nothing is started here")),
  });
  const settings = { region, credentials };
  const clients = {
    dynamodb: new DynamoDBClient({ ...settings, endpoint: dynamodb.endpoint }),
    sfn: new SFNClient({ ...settings, endpoint: sfn.endpoint }),
  };
  return {
    ...clients,
    close: async () => {
      for (const client of Object.values(clients)) client.destroy();
      await Promise.all([dynamodb.close(), sfn.close()]);
    },
  };
}

describe("the deployment's own definitions, in the local services", () => {
  it("are the table that the local cloud creates", async () => {
    const { TableName, ...schema } = tableInput();
    expect(schema).toEqual(tableSchema);
    await services.dynamodb.send(new CreateTableCommand({ TableName, ...schema }));
    const { Table: made } = await services.dynamodb.send(new DescribeTableCommand({ TableName }));
    expect(made?.GlobalSecondaryIndexes).toHaveLength(
      tableSchema.GlobalSecondaryIndexes?.length ?? 0,
    );
  });

  it("are state machines that the engine accepts", async () => {
    const machines = ofType(evaluation, "aws:sfn/stateMachine:StateMachine");
    for (const { inputs } of machines) {
      const { name, definition, roleArn } = z
        .object({ name: z.string(), definition: z.string(), roleArn: z.string() })
        .parse(inputs);
      const made = new CreateStateMachineCommand({ name, definition, roleArn });
      expect((await services.sfn.send(made)).stateMachineArn).toMatch(new RegExp(`:${name}$`));
    }
  });
});
