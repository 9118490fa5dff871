import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  ListTablesCommand,
} from "@aws-sdk/client-dynamodb";
import {
  BatchGetCommand,
  BatchWriteCommand,
  DeleteCommand,
  GetCommand,
  PutCommand,
  QueryCommand,
  ScanCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { documentClient, dynamodbClient, errorOf } from "../testing/clients.ts";
import { tableInput } from "./fixtures.ts";
import { startTableService } from "./table-service.ts";

const key = { pk: "ORDER#1", sk: "STATE" };
const storedKey = { pk: { S: key.pk }, sk: { S: key.sk } };
let service: Awaited<ReturnType<typeof startTableService>>;
let tables: ReturnType<typeof dynamodbClient>;
let items: ReturnType<typeof documentClient>;
let TableName: string;
let count = 0;

beforeAll(async () => {
  service = await startTableService();
  tables = dynamodbClient(service.endpoint);
  items = documentClient(service.endpoint);
});

afterAll(async () => {
  tables.destroy();
  items.destroy();
  await service.close();
});

beforeEach(async () => {
  count += 1;
  TableName = `table-${count}`;
  await tables.send(new CreateTableCommand(tableInput(TableName)));
});

const put = (Item: object) => items.send(new PutCommand({ TableName, Item: { ...Item } }));
const get = (Key: object) =>
  items.send(new GetCommand({ TableName, Key: { ...Key }, ConsistentRead: true }));

describe("tables", () => {
  test("a table can be used as soon as it is created", async () => {
    const { Table } = await tables.send(new DescribeTableCommand({ TableName }));
    expect(Table?.TableStatus).toBe("ACTIVE");
    expect(Table?.GlobalSecondaryIndexes?.[0]?.IndexStatus).toBe("ACTIVE");
    const { TableNames } = await tables.send(new ListTablesCommand({}));
    expect(TableNames).toContain(TableName);
  });

  test("creating a table twice is refused", async () => {
    const error = await errorOf(tables.send(new CreateTableCommand(tableInput(TableName))));
    expect(error.name).toBe("ResourceInUseException");
  });

  test("a deleted table is gone with its items, and its name is free again", async () => {
    await put({ ...key, g1: "a", g2: "b" });
    await tables.send(new DeleteTableCommand({ TableName }));
    const error = await errorOf(get(key));
    expect(error.name).toBe("ResourceNotFoundException");
    await tables.send(new CreateTableCommand(tableInput(TableName)));
    expect((await items.send(new ScanCommand({ TableName }))).Items).toEqual([]);
    const byIndex = await items.send(new ScanCommand({ TableName, IndexName: "gsi1" }));
    expect(byIndex.Items).toEqual([]);
  });
});

describe("writes", () => {
  test("a put that must not replace fails if the item exists, and returns that item", async () => {
    await put({ ...key, state: "NEW" });
    const command = new PutCommand({
      TableName,
      Item: key,
      ConditionExpression: "attribute_not_exists(pk)",
    });
    const bare = await errorOf<Error & { Item?: unknown }>(items.send(command));
    expect(bare.name).toBe("ConditionalCheckFailedException");
    expect(bare.Item).toBeUndefined();

    command.input.ReturnValuesOnConditionCheckFailure = "ALL_OLD";
    const error = await errorOf<Error & { Item?: unknown }>(items.send(command));
    expect(error.name).toBe("ConditionalCheckFailedException");
    // The document client leaves the item of an error as DynamoDB writes it.
    expect(error.Item).toEqual({ ...storedKey, state: { S: "NEW" } });
  });

  test.each([
    [
      "update",
      (ConditionExpression: string) =>
        new UpdateCommand({
          TableName,
          Key: key,
          UpdateExpression: "SET x = :v",
          ConditionExpression,
          ExpressionAttributeValues: { ":v": 2 },
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
    ],
    [
      "delete",
      (ConditionExpression: string) =>
        new DeleteCommand({
          TableName,
          Key: key,
          ConditionExpression,
          ExpressionAttributeValues: { ":v": 2 },
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
    ],
  ])("a failed %s condition returns the item, if there is one", async (_, command) => {
    type Failure = Error & { Item?: unknown };
    const missing = await errorOf<Failure>(items.send(command("x = :v") as UpdateCommand));
    expect([missing.name, missing.Item]).toEqual(["ConditionalCheckFailedException", undefined]);
    await put({ ...key, x: 1 });
    const error = await errorOf<Failure>(items.send(command("x = :v") as UpdateCommand));
    expect(error.Item).toEqual({ ...storedKey, x: { N: "1" } });
    expect((await get(key)).Item).toEqual({ ...key, x: 1 });
  });

  test("an update computes from the old item and returns the new one", async () => {
    await put({ ...key, st: "NEW", version: 1, tags: new Set(["a"]) });
    const { Attributes } = await items.send(
      new UpdateCommand({
        TableName,
        Key: key,
        UpdateExpression:
          "SET st = :st, version = version + :one, #log = list_append(if_not_exists(#log, :none), :entry) ADD sent :bytes",
        ConditionExpression: "version = :version AND st IN (:new, :failed)",
        ExpressionAttributeNames: { "#log": "log" },
        ExpressionAttributeValues: {
          ":st": "PRECOPY",
          ":one": 1,
          ":version": 1,
          ":new": "NEW",
          ":failed": "FAILED",
          ":none": [],
          ":entry": ["started"],
          ":bytes": 5,
        },
        ReturnValues: "ALL_NEW",
      }),
    );
    const expected = { st: "PRECOPY", version: 2, log: ["started"], sent: 5, tags: new Set(["a"]) };
    expect(Attributes).toEqual({ ...key, ...expected });
    expect((await get(key)).Item).toEqual({ ...key, ...expected });
  });

  test("concurrent increments are all counted", async () => {
    const increment = () =>
      items.send(
        new UpdateCommand({
          TableName,
          Key: key,
          UpdateExpression: "ADD n :one",
          ExpressionAttributeValues: { ":one": 1 },
        }),
      );
    await Promise.all(Array.from({ length: 50 }, increment));
    expect((await get(key)).Item?.n).toBe(50);
  });

  test("exactly one of many concurrent conditional puts succeeds", async () => {
    const claim = (by: number) =>
      items.send(
        new PutCommand({
          TableName,
          Item: { ...key, by },
          ConditionExpression: "attribute_not_exists(pk)",
        }),
      );
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, by) => claim(by)));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  });

  test("a batch of writes is read back by a batch of reads", async () => {
    const PutRequests = Array.from({ length: 25 }, (_, i) => ({
      PutRequest: { Item: { pk: "S", sk: `${i}`.padStart(3, "0") } },
    }));
    const written = await items.send(
      new BatchWriteCommand({ RequestItems: { [TableName]: PutRequests } }),
    );
    expect(written.UnprocessedItems).toEqual({});
    const Keys = [{ pk: "S", sk: "001" }, { pk: "S", sk: "024" }, key];
    const { Responses } = await items.send(
      new BatchGetCommand({ RequestItems: { [TableName]: { Keys } } }),
    );
    expect(Responses?.[TableName]).toHaveLength(2);
  });
});

describe("queries", () => {
  test("pages have no gap and no overlap, in both directions", async () => {
    const sorts = Array.from({ length: 23 }, (_, i) => `${i}`.padStart(3, "0"));
    for (const sk of sorts) await put({ pk: "S", sk });
    const walk = async (ScanIndexForward: boolean) => {
      const found: string[] = [];
      let ExclusiveStartKey: Record<string, unknown> | undefined;
      do {
        const page = await items.send(
          new QueryCommand({
            TableName,
            KeyConditionExpression: "pk = :pk",
            ExpressionAttributeValues: { ":pk": "S" },
            Limit: 5,
            ScanIndexForward,
            ExclusiveStartKey,
          }),
        );
        found.push(...(page.Items ?? []).map((item) => String(item.sk)));
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey);
      return found;
    };
    expect(await walk(true)).toEqual(sorts);
    expect(await walk(false)).toEqual(sorts.toReversed());
  });

  test("a walk longer than one page of the store returns every item once", async () => {
    for (let start = 0; start < 600; start += 25) {
      const requests = Array.from({ length: 25 }, (_, i) => ({
        PutRequest: { Item: { pk: "S", sk: `${start + i}`.padStart(4, "0") } },
      }));
      await items.send(new BatchWriteCommand({ RequestItems: { [TableName]: requests } }));
    }
    const { Items = [] } = await items.send(new ScanCommand({ TableName, ConsistentRead: true }));
    expect(new Set(Items.map((item) => item.sk)).size).toBe(600);
    expect(Items).toHaveLength(600);
  });

  test("numbers sort as numbers in an index", async () => {
    const numbers = [10, 9, -1, 0.5, 100, -20];
    for (const n of numbers) await put({ pk: `N#${n}`, sk: "x", g1: "n", rank: n });
    const { Items } = await items.send(
      new QueryCommand({
        TableName,
        IndexName: "gsi2",
        KeyConditionExpression: "g1 = :g AND #rank > :min",
        ExpressionAttributeNames: { "#rank": "rank" },
        ExpressionAttributeValues: { ":g": "n", ":min": -5 },
      }),
    );
    expect(Items?.map((item) => item.rank)).toEqual([-1, 0.5, 9, 10, 100]);
  });

  test("an index follows its items: added, moved, removed", async () => {
    const inIndex = async (g1: string) => {
      const { Items } = await items.send(
        new QueryCommand({
          TableName,
          IndexName: "gsi1",
          KeyConditionExpression: "g1 = :g AND begins_with(g2, :p)",
          FilterExpression: "attribute_exists(st)",
          ExpressionAttributeValues: { ":g": g1, ":p": "ORDER#" },
          ScanIndexForward: false,
        }),
      );
      return Items;
    };
    const update = (UpdateExpression: string, values?: Record<string, unknown>) =>
      items.send(
        new UpdateCommand({
          TableName,
          Key: key,
          UpdateExpression,
          ExpressionAttributeValues: values,
        }),
      );
    await put({ ...key, g1: "SHELF#a", g2: "ORDER#1", st: "NEW" });
    expect(await inIndex("SHELF#a")).toEqual([{ ...key, g1: "SHELF#a", g2: "ORDER#1", st: "NEW" }]);
    await update("SET g1 = :g, st = :st", { ":g": "SHELF#b", ":st": "DONE" });
    expect(await inIndex("SHELF#a")).toEqual([]);
    expect(await inIndex("SHELF#b")).toEqual([
      { ...key, g1: "SHELF#b", g2: "ORDER#1", st: "DONE" },
    ]);
    await update("REMOVE g1");
    expect(await inIndex("SHELF#b")).toEqual([]);
  });

  test.each([true, false])(
    "items with equal index keys each keep their entry (forward: %s)",
    async (ScanIndexForward) => {
      // The joined keys of all three are equal, which dynalite's own index keys cannot tell apart.
      const twins = [
        { pk: "a", sk: "bcd" },
        { pk: "ab", sk: "cd" },
        { pk: "abc", sk: "d" },
      ];
      for (const twin of twins) await put({ ...twin, g1: "SHELF#a", g2: "same" });
      const found: unknown[] = [];
      let ExclusiveStartKey: Record<string, unknown> | undefined;
      do {
        const page = await items.send(
          new QueryCommand({
            TableName,
            IndexName: "gsi1",
            KeyConditionExpression: "g1 = :g",
            ExpressionAttributeValues: { ":g": "SHELF#a" },
            Limit: 1,
            ScanIndexForward,
            ExclusiveStartKey,
          }),
        );
        found.push(...(page.Items ?? []).map((item) => item.pk));
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey && found.length <= twins.length);
      expect(found.toSorted()).toEqual(["a", "ab", "abc"]);

      await items.send(new DeleteCommand({ TableName, Key: { pk: "ab", sk: "cd" } }));
      const { Items } = await items.send(new ScanCommand({ TableName, IndexName: "gsi1" }));
      expect(Items?.map((item) => item.pk).toSorted()).toEqual(["a", "abc"]);
    },
  );
});
