import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  CreateTableCommand,
  DescribeTimeToLiveCommand,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { GetCommand, PutCommand, ScanCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runChild, startChild } from "../testing/child.ts";
import { documentClient } from "../testing/clients.ts";
import { startDynamodb } from "./dynamodb.ts";
import { tableInput } from "./fixtures.ts";

const TableName = "state";
const serve = `
  import { startDynamodb } from "./dynamodb/dynamodb.ts";
  const { endpoint } = await startDynamodb({ dataDir: process.argv[1] });
  console.log(endpoint);
`;
// Dies between the first and the second write of a transaction.
const dieHalfway = `
  import { inTransaction, openDatabase } from "./sqlite/open-database.ts";
  import { checkInput, runNow } from "./dynamodb/operations.ts";
  import { ROWS_SCHEMA } from "./dynamodb/rows.ts";
  import { createStore } from "./dynamodb/store.ts";
  const [, dataDir] = process.argv;
  const database = openDatabase({ dataDir, name: "dynamodb", schema: ROWS_SCHEMA });
  const store = createStore(database, "us-east-1");
  const Item = { pk: { S: "half" }, sk: { S: "x" }, g1: { S: "g" }, g2: { S: "x" } };
  inTransaction(database, () => {
    runNow(store, "PutItem", checkInput(store, "PutItem", { TableName: "${TableName}", Item }));
    process.kill(process.pid, "SIGKILL");
  });
`;
let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "dynamodb-"));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

/** Starts the service in this process on the child's data. */
async function reopen() {
  const service = await startDynamodb({ dataDir });
  const items = documentClient(service.endpoint);
  return {
    items,
    async [Symbol.asyncDispose]() {
      items.destroy();
      await service.close();
    },
  };
}

test("acknowledged writes survive kill -9: items, indexes, settings, tokens", async () => {
  const child = await startChild(serve, dataDir);
  const before = documentClient(child.firstLine);
  await before.send(new CreateTableCommand(tableInput(TableName)));
  const TimeToLiveSpecification = { Enabled: true, AttributeName: "ttl" };
  await before.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }));
  const Item = { pk: "a", sk: "x", g1: "g", g2: "x", n: 1 };
  await before.send(new PutCommand({ TableName, Item }));
  const increment = new TransactWriteCommand({
    ClientRequestToken: "once",
    TransactItems: [
      {
        Update: {
          TableName,
          Key: { pk: "a", sk: "x" },
          UpdateExpression: "ADD n :one",
          ExpressionAttributeValues: { ":one": 1 },
        },
      },
    ],
  });
  await before.send(increment);
  await child.kill();
  before.destroy();

  await using after = await reopen();
  await after.items.send(increment);
  const Key = { pk: "a", sk: "x" };
  const { Item: found } = await after.items.send(new GetCommand({ TableName, Key }));
  expect(found).toEqual({ ...Item, n: 2 });
  const entries = await after.items.send(new ScanCommand({ TableName, IndexName: "gsi1" }));
  expect(entries.Items).toEqual([{ ...Item, n: 2 }]);
  const ttl = await after.items.send(new DescribeTimeToLiveCommand({ TableName }));
  expect(ttl.TimeToLiveDescription?.AttributeName).toBe("ttl");
});

test("a transaction cut off by a crash leaves nothing", async () => {
  {
    await using service = await reopen();
    await service.items.send(new CreateTableCommand(tableInput(TableName)));
  }
  expect(await runChild(dieHalfway, dataDir)).toBe("SIGKILL");
  await using after = await reopen();
  expect((await after.items.send(new ScanCommand({ TableName }))).Items).toEqual([]);
  const entries = await after.items.send(new ScanCommand({ TableName, IndexName: "gsi1" }));
  expect(entries.Items).toEqual([]);
});

test("after kill -9 under load each transaction is whole, and no acknowledged one is lost", async () => {
  const child = await startChild(serve, dataDir);
  const before = documentClient(child.firstLine);
  await before.send(new CreateTableCommand(tableInput(TableName)));
  const acknowledged: string[] = [];
  const writePairs = async (writer: number) => {
    for (let i = 0; ; i++) {
      const name = `${writer}-${i}`;
      const TransactItems = ["left", "right"].map((pk) => ({
        Put: { TableName, Item: { pk, sk: name, g1: pk, g2: name } },
      }));
      await before.send(new TransactWriteCommand({ TransactItems }));
      acknowledged.push(name);
      if (acknowledged.length === 60) void child.kill();
    }
  };
  const writers = await Promise.allSettled([0, 1, 2, 3].map(writePairs));
  expect(writers.map((writer) => writer.status)).toEqual(Array(4).fill("rejected"));
  await child.kill();
  before.destroy();

  await using after = await reopen();
  const namesOf = async (pk: string, IndexName?: string) => {
    const { Items = [] } = await after.items.send(new ScanCommand({ TableName, IndexName }));
    return Items.filter((item) => item.pk === pk)
      .map((item) => String(item.sk))
      .toSorted();
  };
  const left = await namesOf("left");
  expect(left).toEqual(expect.arrayContaining(acknowledged));
  expect(await namesOf("right")).toEqual(left);
  expect(await namesOf("left", "gsi1")).toEqual(left);
  expect(await namesOf("right", "gsi1")).toEqual(left);
});

test("two services cannot share a directory", async () => {
  await using _first = await reopen();
  await expect(reopen()).rejects.toThrow("Failed to open");
});
