import { setTimeout as delay } from "node:timers/promises";
import {
  BatchWriteItemCommand,
  type DynamoDBClient,
  paginateScan,
  ScanCommand,
  type WriteRequest,
} from "@aws-sdk/client-dynamodb";
import type { EvacuationStatus } from "../../core/evacuation/evacuation.ts";
import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { isFinal, type MigrationStatus } from "../../core/migration/migration.ts";
import { TTL_ATTRIBUTE } from "../../functions/store/table-schema.ts";
import { type TableItem, Tally, textOf } from "./item-text.ts";
import { TransferError } from "./transfer-error.ts";

/** DynamoDB's limit for one request. */
const BATCH_MAX = 25;
const TRIES_MAX = 12;
const PAUSE_MS = 50;
/** Items that expire so soon may vanish while they are counted. */
const EXPIRY_SECONDS = 3_600;
const NAMED_MAX = 5;

export type Table = { readonly dynamodb: DynamoDBClient; readonly name: string };

/**
 * Every item that is to stay.
 *
 * @throws TransferError when work is under way: its executions are not in the table
 */
export async function* exportedItems(table: Table): AsyncGenerator<TableItem> {
  const open: string[] = [];
  for await (const item of scan(table)) {
    if (isOpen(item)) open.push(idOf(item));
    if (!isExpiring(item)) yield item;
  }
  if (open.length === 0) return;
  const names = open.slice(0, NAMED_MAX).join(", ");
  throw new TransferError(
    `${open.length} migrations and evacuations are under way (${names}): wait for their ends, or ` +
      "cancel them; what carries them out is not in the table",
  );
}

/** @throws TransferError */
export async function requireEmpty({ dynamodb, name }: Table): Promise<void> {
  const { Items = [] } = await dynamodb.send(new ScanCommand({ TableName: name, Limit: 1 }));
  if (Items.length === 0) return;
  throw new TransferError(
    `The table ${name} has items already: an import goes into an empty one. After an import that was ` +
      "interrupted make the table, or the data folder, anew",
  );
}

/**
 * Writes the items, reads the whole table, and compares.
 *
 * @returns what was written
 * @throws TransferError when the table has other items then
 */
export async function importItems(table: Table, items: AsyncIterable<TableItem>): Promise<Tally> {
  const written = new Tally();
  let batch: TableItem[] = [];
  for await (const item of items) {
    if (isExpiring(item)) continue;
    written.add(textOf(item));
    batch.push(item);
    if (batch.length < BATCH_MAX) continue;
    await write(table, batch);
    batch = [];
  }
  await write(table, batch);
  const found = new Tally();
  for await (const item of scan(table)) found.add(textOf(item));
  if (found.items === written.items && found.digest === written.digest) return written;
  throw new TransferError(
    `The table ${table.name} has ${found.items} items, digest ${found.digest}, where ` +
      `${written.items}, digest ${written.digest}, were written: something else writes to it`,
  );
}

async function write({ dynamodb, name }: Table, items: readonly TableItem[]): Promise<void> {
  let left: WriteRequest[] = items.map((Item) => ({ PutRequest: { Item } }));
  for (let attempt = 0; left.length > 0; attempt += 1) {
    if (attempt === TRIES_MAX) throw new TransferError(`The table ${name} is too busy: try later`);
    if (attempt > 0) await delay(PAUSE_MS * 2 ** Math.min(attempt, 6));
    const request = new BatchWriteItemCommand({ RequestItems: { [name]: left } });
    const { UnprocessedItems = {} } = await dynamodb.send(request);
    left = UnprocessedItems[name] ?? [];
  }
}

async function* scan({ dynamodb, name }: Table): AsyncGenerator<TableItem> {
  const pages = paginateScan({ client: dynamodb }, { TableName: name, ConsistentRead: true });
  for await (const { Items = [] } of pages) yield* Items;
}

function isExpiring(item: TableItem): boolean {
  const at = Number(item[TTL_ATTRIBUTE]?.N ?? Number.POSITIVE_INFINITY);
  return at < Date.now() / 1_000 + EXPIRY_SECONDS;
}

function isOpen({ pk, sk, status }: TableItem): boolean {
  if (sk?.S !== "META" || status?.S === undefined) return false;
  if (pk?.S?.startsWith("MIG#")) return !isFinal(status.S as MigrationStatus);
  return pk?.S?.startsWith("EVAC#") === true && !isFinalEvacuation(status.S as EvacuationStatus);
}

function idOf({ pk }: TableItem): string {
  return pk?.S?.split("#")[1] ?? "";
}
