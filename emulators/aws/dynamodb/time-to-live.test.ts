import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTimeToLiveCommand,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { PutCommand, ScanCommand } from "@aws-sdk/lib-dynamodb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { documentClient, errorOf } from "../testing/clients.ts";
import { type Dynamodb, startDynamodb } from "./dynamodb.ts";
import { tableInput } from "./fixtures.ts";

const TableName = "commands";
const START_SECONDS = Date.UTC(2030, 0, 1) / 1000;
let nowSeconds: number;
let service: Dynamodb;
let items: ReturnType<typeof documentClient>;

beforeEach(async () => {
  nowSeconds = START_SECONDS;
  service = await startDynamodb({ now: () => nowSeconds * 1000, ttlSweepMs: 5 });
  items = documentClient(service.endpoint);
  await items.send(new CreateTableCommand(tableInput(TableName)));
});

afterEach(async () => {
  items.destroy();
  await service.close();
});

const set = (Enabled: boolean, AttributeName = "ttl") =>
  items.send(
    new UpdateTimeToLiveCommand({
      TableName,
      TimeToLiveSpecification: { Enabled, AttributeName },
    }),
  );
const describeTtl = async () => {
  const command = new DescribeTimeToLiveCommand({ TableName });
  return (await items.send(command)).TimeToLiveDescription;
};
const put = (sk: string, rest: object) =>
  items.send(new PutCommand({ TableName, Item: { pk: "CMD", sk, ...rest } }));
const left = async (IndexName?: string) => {
  const { Items = [] } = await items.send(new ScanCommand({ TableName, IndexName }));
  return Items.map((item) => item.sk).toSorted();
};

test("an item is deleted once its time has passed, from its indexes too", async () => {
  await set(true);
  await put("due", { ttl: START_SECONDS + 60, g1: "SHELF#a", g2: "due" });
  await put("later", { ttl: START_SECONDS + 3600, g1: "SHELF#a", g2: "later" });
  nowSeconds += 61;
  await vi.waitFor(async () => expect(await left()).toEqual(["later"]), 20_000);
  expect(await left("gsi1")).toEqual(["later"]);
});

test("only a number of seconds in the last five years counts as a time", async () => {
  await set(true);
  await put("text", { ttl: `${START_SECONDS - 60}` });
  await put("map", { ttl: { at: START_SECONDS - 60 } });
  await put("other", { expires: START_SECONDS - 60 });
  await put("ancient", { ttl: START_SECONDS - 6 * 365 * 24 * 3600 });
  await put("milliseconds", { ttl: (START_SECONDS - 60) * 1000 });
  // Sorts after all the others, so that the sweep that took it has seen them.
  await put("zz-due", { ttl: START_SECONDS - 60 });
  await vi.waitFor(async () => expect(await left()).not.toContain("zz-due"), 20_000);
  expect(await left()).toEqual(["ancient", "map", "milliseconds", "other", "text"]);
});

test("nothing is deleted while time to live is off", async () => {
  await put("due", { ttl: START_SECONDS - 60 });
  expect(await describeTtl()).toEqual({ TimeToLiveStatus: "DISABLED" });
  // A second table with the setting on shows that a sweep has passed.
  const other = { TableName: "other" };
  await items.send(new CreateTableCommand(tableInput("other")));
  const TimeToLiveSpecification = { Enabled: true, AttributeName: "ttl" };
  await items.send(new UpdateTimeToLiveCommand({ ...other, TimeToLiveSpecification }));
  const Item = { pk: "x", sk: "x", ttl: START_SECONDS - 60 };
  await items.send(new PutCommand({ ...other, Item }));
  await vi.waitFor(async () => {
    expect((await items.send(new ScanCommand(other))).Items).toEqual([]);
  }, 20_000);
  expect(await left()).toEqual(["due"]);
});

test("the setting is shown, and cannot be made twice", async () => {
  await set(true);
  expect(await describeTtl()).toEqual({ TimeToLiveStatus: "ENABLED", AttributeName: "ttl" });
  expect((await errorOf(set(true))).message).toBe("TimeToLive is already enabled");
  expect((await errorOf(set(false, "other"))).message).toContain("different AttributeName: ttl");
  await set(false);
  expect(await describeTtl()).toEqual({ TimeToLiveStatus: "DISABLED" });
  expect((await errorOf(set(false))).message).toBe("TimeToLive is already disabled");
});

test("the setting is deleted with its table", async () => {
  await set(true);
  await items.send(new DeleteTableCommand({ TableName }));
  expect((await errorOf(describeTtl())).name).toBe("ResourceNotFoundException");
  await items.send(new CreateTableCommand(tableInput(TableName)));
  expect(await describeTtl()).toEqual({ TimeToLiveStatus: "DISABLED" });
});
