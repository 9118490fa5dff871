import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BatchWriteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { queues } from "../../functions/runtime/clients.ts";
import { config } from "../../functions/runtime/config.ts";
import { createTable } from "../../local/resources.ts";
import { withQueues } from "../../local/transfer/host-queues.ts";
import { type TableItem, Tally, textOf } from "../../local/transfer/item-text.ts";
import {
  exportedItems,
  importItems,
  requireEmpty,
  type Table,
} from "../../local/transfer/table.ts";
import { itemsOf, writeTableFile } from "../../local/transfer/table-file.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { addHost } from "./testing/fleet.ts";

/** More than one batch of writes and, with these values, more than one page of a scan. */
const ITEMS = 60;
const VALUE = "ä".repeat(20_000);

let cloud: TestCloud;
let folder: string;
let source: Table;
let target: Table;
let file: string;

beforeAll(async () => {
  cloud = await startTestCloud();
  folder = ownedFolder("sy-transfer-");
  file = join(folder, "table.jsonl");
  const dynamodb = new DynamoDBClient({});
  source = { dynamodb, name: config().tableName };
  target = { dynamodb, name: `${source.name}-other` };
  await createTable(target.name);
  await addHost("host-a");
  await put(
    source,
    Array.from({ length: ITEMS }, (_, number) => itemOf(number)),
  );
});
afterAll(async () => {
  source.dynamodb.destroy();
  await cloud.close();
  removeFolder(folder);
});

const itemOf = (number: number): TableItem => ({
  pk: { S: `TEST#${number}` },
  sk: { S: "META" },
  text: { S: VALUE },
  number: { N: String(number / 7) },
  nested: { M: { b: { L: [{ NULL: true }, { BOOL: false }] }, a: { S: "" } } },
  ids: { SS: ["b", "a"] },
});

async function put({ dynamodb, name }: Table, items: TableItem[]): Promise<void> {
  for (let place = 0; place < items.length; place += 25) {
    const requests = items.slice(place, place + 25).map((Item) => ({ PutRequest: { Item } }));
    await dynamodb.send(new BatchWriteItemCommand({ RequestItems: { [name]: requests } }));
  }
}

async function all(items: AsyncIterable<TableItem>): Promise<TableItem[]> {
  const found: TableItem[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const queuesOf = () => ({
  sqs: queues(),
  prefix: "other-host-",
  deadLetterQueueArn: config().deadLetterQueueArn,
});

describe("a table", () => {
  it("is the same after its export and import, but for the queues of hosts", async () => {
    const { items } = await writeTableFile(file, exportedItems(source));
    expect(items).toBeGreaterThan(ITEMS);
    await requireEmpty(target);
    const written = await importItems(target, withQueues(itemsOf(file), queuesOf()));
    expect(written.items).toBe(items);
    const others = (found: TableItem[]) =>
      found.map(({ queueUrl: _, ...rest }) => textOf(rest)).sort();
    const before = await all(exportedItems(source));
    const after = await all(exportedItems(target));
    expect(others(after)).toEqual(others(before));
    const host = after.find(({ pk, sk }) => pk?.S === "HOST#host-a" && sk?.S === "META");
    expect(host?.queueUrl?.S).toContain("other-host-host-a");
    const of = { QueueUrl: host?.queueUrl?.S, AttributeNames: ["RedrivePolicy" as const] };
    const { Attributes } = await queues().send(new GetQueueAttributesCommand(of));
    expect(Attributes?.RedrivePolicy).toContain("deadLetterTargetArn");
  });

  it("is not imported over other items", async () => {
    await expect(requireEmpty(target)).rejects.toThrow(/has items already: an import goes into/);
  });

  it("is not exported while work is under way, and no file is left", async () => {
    const open = (pk: string, status: string) => ({
      pk: { S: pk },
      sk: { S: "META" },
      status: { S: status },
    });
    await put(source, [open("MIG#mig_1", "running"), open("EVAC#evac_1", "running")]);
    const other = join(folder, "open.jsonl");
    await expect(writeTableFile(other, exportedItems(source))).rejects.toThrow(
      /^2 migrations and evacuations are under way \(.*mig_1.*wait for their ends/,
    );
    expect(() => readFileSync(other)).toThrow("ENOENT");
    expect(() => readFileSync(`${other}.tmp`)).toThrow("ENOENT");
  });

  it.each<[string, (text: string) => string, RegExp]>([
    ["was cut off", (text) => text.slice(0, -200), /is not what npm run export writes|no end/],
    ["lost a line", (text) => text.replace(/\n.*\n/, "\n"), /has other items than/],
    ["has another value", (text) => text.replace("ää", "äo"), /has other items than/],
    ["is something else", () => "hello\n", /Line 1 of .* is not what npm run export writes/],
    ["is empty", () => "", /has no end/],
  ])("in a file that %s is refused before anything is written", async (_, change, message) => {
    const other = join(folder, "changed.jsonl");
    writeFileSync(other, change(readFileSync(file, "utf8")));
    await expect(all(itemsOf(other))).rejects.toThrow(message);
  });

  it("in a file with more after its end is refused", async () => {
    const other = join(folder, "longer.jsonl");
    writeFileSync(other, readFileSync(file));
    appendFileSync(other, "{}\n");
    await expect(all(itemsOf(other))).rejects.toThrow(/Line \d+ of/);
  });
});

it("the digest of items does not depend on their order, and changes with each", () => {
  const digest = (...texts: string[]) => {
    const tally = new Tally();
    for (const text of texts) tally.add(text);
    return tally.digest;
  };
  expect(digest("a", "b", "c")).toBe(digest("c", "a", "b"));
  expect(digest("a", "b", "d")).not.toBe(digest("a", "b", "c"));
});
