import {
  CreateTableCommand,
  ExecuteStatementCommand,
  UpdateTableCommand,
} from "@aws-sdk/client-dynamodb";
import { DeleteCommand, GetCommand, PutCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documentClient, dynamodbClient, errorOf } from "../testing/clients.ts";
import { type Dynamodb, startDynamodb } from "./dynamodb.ts";
import { tableInput } from "./fixtures.ts";

const TableName = "table";
const key = { pk: "ORDER#1", sk: "STATE" };
let service: Dynamodb;
let tables: ReturnType<typeof dynamodbClient>;
let items: ReturnType<typeof documentClient>;

beforeAll(async () => {
  service = await startDynamodb();
  tables = dynamodbClient(service.endpoint);
  items = documentClient(service.endpoint);
  await tables.send(new CreateTableCommand(tableInput(TableName)));
});

afterAll(async () => {
  tables.destroy();
  items.destroy();
  await service.close();
});

const put = (Item: object) => items.send(new PutCommand({ TableName, Item: { ...Item } }));
const get = (Key: object) => items.send(new GetCommand({ TableName, Key: { ...Key } }));

describe("refusals", () => {
  const update = (UpdateExpression: string, values: Record<string, unknown>) =>
    items.send(
      new UpdateCommand({
        TableName,
        Key: key,
        UpdateExpression,
        ExpressionAttributeValues: values,
      }),
    );

  const invalid: [string, () => Promise<unknown>, RegExp][] = [
    [
      "an item above 400 KB",
      () => put({ ...key, body: "x".repeat(410 * 1024) }),
      /maximum allowed/,
    ],
    [
      "an item above 400 KB whose characters have more than one byte",
      () => put({ ...key, body: "\u20ac".repeat(140 * 1024) }),
      /maximum allowed/,
    ],
    [
      "an update to more than 400 KB",
      () => update("SET body = :b", { ":b": "\u20ac".repeat(140 * 1024) }),
      /to update has exceeded the maximum allowed/,
    ],
    ["an empty key", () => put({ pk: "", sk: "1" }), /empty string/],
    ["a reserved word", () => update("SET status = :s", { ":s": 1 }), /reserved keyword/],
    ["a value nobody uses", () => update("SET a = :s", { ":s": 1, ":z": 2 }), /unused in exp/],
    ["a change of the key", () => update("SET pk = :s", { ":s": "x" }), /part of the key/],
    ["a key of the wrong shape", () => get({ pk: "x" }), /does not match the schema/],
    [
      "streams",
      () => {
        const StreamSpecification = { StreamEnabled: true, StreamViewType: "NEW_IMAGE" as const };
        return tables.send(
          new CreateTableCommand({ ...tableInput("with-stream"), StreamSpecification }),
        );
      },
      /`StreamSpecification` is not supported/,
    ],
    [
      "tags",
      () => {
        const Tags = [{ Key: "a", Value: "b" }];
        return tables.send(new CreateTableCommand({ ...tableInput("with-tags"), Tags }));
      },
      /`Tags` is not supported/,
    ],
    [
      "collection metrics",
      () => {
        const ReturnItemCollectionMetrics = "SIZE";
        return items.send(new PutCommand({ TableName, Item: key, ReturnItemCollectionMetrics }));
      },
      /`ReturnItemCollectionMetrics` is not supported/,
    ],
  ];

  test.each(invalid)("%s is a ValidationException", async (_, request, message) => {
    const error = await errorOf(request());
    expect(error.name).toBe("ValidationException");
    expect(error.message).toMatch(message);
  });

  test.each<[string, unknown, string]>([
    ["a = :v", { b: 1 }, "`=` with a value of type M"],
    ["NOT (a <> :v)", [1], "`<>` with a value of type L"],
    ["attribute_exists(a) AND a IN (:v)", { b: 1 }, "`in` with a value of type M"],
    ["contains(a, :v)", true, "`contains` with a value of type BOOL"],
  ])("refuses what dynalite would compare wrongly: %s", async (expression, value, message) => {
    await put({ ...key, a: value });
    const command = new DeleteCommand({
      TableName,
      Key: key,
      ConditionExpression: expression,
      ExpressionAttributeValues: { ":v": value },
    });
    const error = await errorOf(items.send(command));
    expect(error.name).toBe("ValidationException");
    expect(error.message).toContain(message);
  });

  test.each([
    ["ExecuteStatement", () => new ExecuteStatementCommand({ Statement: "SELECT * FROM x" })],
    ["UpdateTable", () => new UpdateTableCommand({ TableName, BillingMode: "PROVISIONED" })],
  ])("%s is an unknown operation, by name", async (name, command) => {
    const error = await errorOf(tables.send(command() as ExecuteStatementCommand));
    expect(error.name).toBe("UnknownOperationException");
    expect(error.message).toContain(name);
  });

  test("an unknown table is not found", async () => {
    const error = await errorOf(items.send(new GetCommand({ TableName: "nowhere", Key: key })));
    expect(error.name).toBe("ResourceNotFoundException");
  });
});
