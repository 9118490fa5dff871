import { CreateTableCommand, type TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import {
  GetCommand,
  PutCommand,
  QueryCommand,
  TransactGetCommand,
  TransactWriteCommand,
  type TransactWriteCommandInput,
} from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { documentClient, errorOf } from "../testing/clients.ts";
import { tableInput } from "./fixtures.ts";
import { startTableService } from "./table-service.ts";

let service: Awaited<ReturnType<typeof startTableService>>;
let items: ReturnType<typeof documentClient>;
let TableName: string;
let count = 0;
let nowMs = Date.UTC(2030, 0, 1);

beforeAll(async () => {
  service = await startTableService({ now: () => nowMs });
  items = documentClient(service.endpoint);
});

afterAll(async () => {
  items.destroy();
  await service.close();
});

beforeEach(async () => {
  count += 1;
  TableName = `table-${count}`;
  await items.send(new CreateTableCommand(tableInput(TableName)));
});

type Items = NonNullable<TransactWriteCommandInput["TransactItems"]>;
const keyOf = (pk: string) => ({ pk, sk: "x" });
const put = (pk: string, rest: object = {}) => ({
  Put: { TableName, Item: { ...keyOf(pk), ...rest } },
});
const putNew = (pk: string, rest: object = {}) => ({
  Put: { ...put(pk, rest).Put, ConditionExpression: "attribute_not_exists(pk)" },
});
const add = (pk: string, n = 1) => ({
  Update: {
    TableName,
    Key: keyOf(pk),
    UpdateExpression: "ADD n :n",
    ExpressionAttributeValues: { ":n": n },
  },
});
const exists = (pk: string) => ({
  ConditionCheck: {
    TableName,
    Key: keyOf(pk),
    ConditionExpression: "attribute_exists(pk)",
  },
});
const write = (TransactItems: Items, ClientRequestToken?: string) =>
  items.send(new TransactWriteCommand({ TransactItems, ClientRequestToken }));
const cancelled = async (TransactItems: Items) => {
  const error = await errorOf<TransactionCanceledException>(write(TransactItems));
  expect(error.name).toBe("TransactionCanceledException");
  return error;
};
const read = async (pk: string) => {
  const command = new GetCommand({ TableName, Key: keyOf(pk), ConsistentRead: true });
  return (await items.send(command)).Item;
};

describe("TransactWriteItems", () => {
  test("puts, updates, deletes and checks happen together", async () => {
    await write([put("deleted"), put("checked"), put("updated", { n: 1 })]);
    await write([
      putNew("lock", { epoch: 1 }),
      add("updated"),
      { Delete: { TableName, Key: keyOf("deleted") } },
      exists("checked"),
    ]);
    expect(await read("lock")).toEqual({ ...keyOf("lock"), epoch: 1 });
    expect(await read("updated")).toEqual({ ...keyOf("updated"), n: 2 });
    expect(await read("deleted")).toBeUndefined();
    expect(await read("checked")).toEqual(keyOf("checked"));
  });

  test("a check of a missing item does not create it", async () => {
    const missing = {
      ConditionCheck: {
        ...exists("ghost").ConditionCheck,
        ConditionExpression: "attribute_not_exists(pk)",
      },
    };
    await write([missing, put("other")]);
    expect(await read("ghost")).toBeUndefined();
  });

  test("one failed condition undoes everything, and each item has its reason", async () => {
    await write([put("lock", { by: "first" }), put("state", { n: 1 })]);
    const { message, CancellationReasons } = await cancelled([
      add("state"),
      put("new", { g1: "SHELF#a", g2: "1" }),
      {
        Put: {
          ...putNew("lock", { by: "second" }).Put,
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        },
      },
      exists("missing"),
    ]);
    expect(CancellationReasons?.map((reason) => reason.Code)).toEqual([
      "None",
      "None",
      "ConditionalCheckFailed",
      "ConditionalCheckFailed",
    ]);
    expect(message).toContain("[None, None, ConditionalCheckFailed, ConditionalCheckFailed]");
    // The document client leaves the items of an error as DynamoDB writes them.
    const stored = { pk: { S: "lock" }, sk: { S: "x" }, by: { S: "first" } };
    expect(CancellationReasons?.[2]?.Item).toEqual(stored);
    expect(CancellationReasons?.[3]?.Item).toBeUndefined();

    expect(await read("state")).toEqual({ ...keyOf("state"), n: 1 });
    expect(await read("new")).toBeUndefined();
    const entries = await items.send(
      new QueryCommand({
        TableName,
        IndexName: "gsi1",
        KeyConditionExpression: "g1 = :g",
        ExpressionAttributeValues: { ":g": "SHELF#a" },
      }),
    );
    expect(entries.Items).toEqual([]);
  });

  test("without ALL_OLD a reason does not show the item", async () => {
    await write([put("lock")]);
    const { CancellationReasons } = await cancelled([putNew("lock")]);
    expect(CancellationReasons?.[0]?.Item).toBeUndefined();
  });

  test("an update that does not fit the item is a reason of its own", async () => {
    await write([put("text", { n: "not a number" })]);
    const { CancellationReasons } = await cancelled([put("other"), add("text")]);
    expect(CancellationReasons?.map((reason) => reason.Code)).toEqual(["None", "ValidationError"]);
    expect(await read("other")).toBeUndefined();
  });

  test("of concurrent transactions over the same items each is whole", async () => {
    await write([put("a", { n: 0 }), put("b", { n: 0 })]);
    const claims = Array.from({ length: 30 }, (_, i) =>
      write([putNew(`lock-${i % 3}`), add("a"), add("b")]),
    );
    const results = await Promise.allSettled(claims);
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(3);
    expect([(await read("a"))?.n, (await read("b"))?.n]).toEqual([3, 3]);
  });

  test("readers never see half of a transaction", async () => {
    await write([put("a", { n: 0 }), put("b", { n: 0 })]);
    const keys = [keyOf("a"), keyOf("b")];
    const snapshot = async () => {
      const TransactItems = keys.map((Key) => ({ Get: { TableName, Key } }));
      const { Responses } = await items.send(new TransactGetCommand({ TransactItems }));
      return Responses?.map((response) => response.Item?.n);
    };
    const writes = Array.from({ length: 20 }, () => write([add("a"), add("b")]));
    const snapshots = await Promise.all(Array.from({ length: 20 }, snapshot));
    await Promise.all(writes);
    for (const [a, b] of snapshots.map((found) => found ?? [])) expect(a).toBe(b);
    expect(await snapshot()).toEqual([20, 20]);
  });
});

describe("ClientRequestToken", () => {
  test("the same request with the same token is carried out once", async () => {
    await write([add("counter")], "token-once");
    await write([add("counter")], "token-once");
    expect((await read("counter"))?.n).toBe(1);
  });

  test("a token is refused with another request", async () => {
    await write([add("counter")], "token-other");
    const error = await errorOf(write([add("counter", 2)], "token-other"));
    expect(error.name).toBe("IdempotentParameterMismatchException");
    expect((await read("counter"))?.n).toBe(1);
  });

  test("a token of a cancelled transaction can be used again", async () => {
    await errorOf(write([exists("gate"), add("counter")], "token-retry"));
    await write([put("gate")]);
    await write([exists("gate"), add("counter")], "token-retry");
    expect((await read("counter"))?.n).toBe(1);
  });

  test("a token is forgotten after ten minutes", async () => {
    await write([add("counter")], "token-old");
    nowMs += 600_000;
    await write([add("counter")], "token-old");
    expect((await read("counter"))?.n).toBe(2);
  });
});

describe("TransactGetItems", () => {
  test("items have the requested order, with an empty entry for a missing one", async () => {
    await write([put("a", { n: 1, secret: true }), put("b")]);
    const { Responses } = await items.send(
      new TransactGetCommand({
        TransactItems: [
          { Get: { TableName, Key: keyOf("missing") } },
          { Get: { TableName, Key: keyOf("a"), ProjectionExpression: "n" } },
        ],
      }),
    );
    expect(Responses).toEqual([{}, { Item: { n: 1 } }]);
  });
});

describe("refusals", () => {
  const many = (length: number) => Array.from({ length }, (_, i) => put(`many-${i}`));

  test("accepts a hundred items, and refuses one more", async () => {
    await write(many(100));
    const error = await errorOf(write(many(101)));
    expect(error.name).toBe("ValidationException");
    expect(error.message).toContain("less than or equal to 100");
    expect(await read("many-100")).toBeUndefined();
  });

  test("refuses more than 4 MB", async () => {
    const large = Array.from({ length: 12 }, (_, i) =>
      put(`large-${i}`, { body: "x".repeat(390_000) }),
    );
    const error = await errorOf(write(large));
    expect(error.name).toBe("ValidationException");
    expect(await read("large-0")).toBeUndefined();
  });

  test.each<[string, () => Items, RegExp]>([
    [
      "two operations on one item",
      () => [put("same"), exists("same")],
      /multiple operations on one/,
    ],
    ["an item without an operation", () => [{}], /can only contain one of/],
    [
      "an item with two operations",
      () => [{ ...put("a"), ...add("b") }],
      /can only contain one of/,
    ],
    ["no items", () => [], /greater than or equal to 1/],
    [
      "a bad expression",
      () => [{ Update: { TableName, Key: keyOf("a"), UpdateExpression: "SET" } }],
      /Invalid UpdateExpression/,
    ],
    ["a token that is too long", () => [put("a")], /clientRequestToken/],
  ])("%s is a ValidationException", async (title, transactItems, message) => {
    const token = title.startsWith("a token") ? "x".repeat(37) : undefined;
    const error = await errorOf(write(transactItems(), token));
    expect(error.name).toBe("ValidationException");
    expect(error.message).toMatch(message);
  });

  test("an unknown table fails the whole request", async () => {
    const elsewhere = { Put: { TableName: "nowhere", Item: keyOf("a") } };
    const error = await errorOf(write([put("a"), elsewhere]));
    expect(error.name).toBe("ResourceNotFoundException");
    expect(await read("a")).toBeUndefined();
  });

  test("a capacity report is refused, not ignored", async () => {
    const command = new TransactWriteCommand({
      TransactItems: [put("a")],
      ReturnConsumedCapacity: "TOTAL",
    });
    expect((await errorOf(items.send(command))).message).toContain("ReturnConsumedCapacity");
  });

  test("a single put is not held up by a cancelled transaction", async () => {
    await cancelled([put("a"), exists("missing")]);
    await items.send(new PutCommand({ TableName, Item: keyOf("a") }));
    expect(await read("a")).toEqual(keyOf("a"));
  });
});
