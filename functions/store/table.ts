import {
  ConditionalCheckFailedException,
  TransactionCanceledException,
} from "@aws-sdk/client-dynamodb";
import {
  BatchGetCommand,
  BatchWriteCommand,
  type BatchWriteCommandInput,
  DeleteCommand,
  GetCommand,
  PutCommand,
  QueryCommand,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { TableBusy } from "../../core/errors.ts";
import { type Attempt, type BackOff, withBackOff } from "../runtime/back-off.ts";
import { documents } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";
import { isBusy } from "../runtime/table-failure.ts";

/**
 * The DynamoDB calls of the store. In expressions, attribute names are written `#name` and need no
 * declaration; names that are not identifiers are given in `names`.
 */
export type Item = Record<string, unknown>;
export type Key = { pk: string; sk: string };
type WriteRequests = NonNullable<BatchWriteCommandInput["RequestItems"]>[string];
type TransactItem = NonNullable<TransactWriteCommandInput["TransactItems"]>[number];

type Expressions = {
  condition?: string;
  names?: Record<string, string>;
  values?: Record<string, unknown>;
};
export type Update = Expressions & { key: Key; update: string };

/** How long other writers of the same items are waited for: about a second in all at most. */
const conflictBackOff: BackOff = { retriesMax: 6, delayMs: 20, delayMsMax: 400 };
/**
 * Reasons for which a transaction that was cancelled may be repeated (API Reference,
 * TransactWriteItems, "CancellationReasons"): another one has an item, or a partition is throttled.
 */
const BUSY_REASONS = new Set([
  "TransactionConflict",
  "ThrottlingError",
  "ProvisionedThroughputExceeded",
]);
const BATCH_GET_MAX = 100;
const BATCH_WRITE_MAX = 25;

/** Reads consistently: what was written last, never an older copy. */
export async function getItem(key: Key): Promise<Item | undefined> {
  const get = new GetCommand({ TableName: config().tableName, Key: key, ConsistentRead: true });
  const { Item } = await whenFree("read an item", () => documents().send(get));
  return Item;
}

/** Items in any order; missing ones are left out. At most 100 keys. */
export async function getItems(keys: Key[]): Promise<Item[]> {
  if (keys.length === 0) return [];
  if (keys.length > BATCH_GET_MAX) throw new RangeError(`Expected at most ${BATCH_GET_MAX} keys`);
  const table = config().tableName;
  const found: Item[] = [];
  let wanted: Record<string, unknown>[] = keys;
  return withBackOff(
    conflictBackOff,
    () =>
      unlessBusy(async () => {
        const read = { [table]: { Keys: wanted, ConsistentRead: true } };
        const { Responses, UnprocessedKeys } = await documents().send(
          new BatchGetCommand({ RequestItems: read }),
        );
        found.push(...(Responses?.[table] ?? []));
        wanted = UnprocessedKeys?.[table]?.Keys ?? [];
        return wanted.length === 0 ? { value: found } : { conflict: undefined };
      }),
    (cause) => new TableBusy("Failed to read a batch of items", { cause }),
  );
}

/** Returns false when the condition does not hold. */
export async function putItem(item: Item, condition?: string, values?: Item): Promise<boolean> {
  const put = new PutCommand({
    TableName: config().tableName,
    Item: item,
    ...(condition === undefined ? {} : expressions({ condition, ...(values && { values }) })),
  });
  return conditionHolds(() => documents().send(put));
}

/**
 * Puts any number of items, each by itself: after an error some may have been put. No two items may
 * have the same key.
 *
 * @throws TableBusy when the table does not take them within about a second
 */
export async function putItems(items: Item[]): Promise<void> {
  const [only] = items;
  if (only !== undefined && items.length === 1) {
    await putItem(only);
    return;
  }
  for (let place = 0; place < items.length; place += BATCH_WRITE_MAX) {
    const puts = items.slice(place, place + BATCH_WRITE_MAX);
    await writeBatch(puts.map((Item) => ({ PutRequest: { Item } })));
  }
}

async function writeBatch(requests: WriteRequests): Promise<void> {
  const table = config().tableName;
  let wanted = requests;
  await withBackOff(
    conflictBackOff,
    () =>
      unlessBusy(async () => {
        const { UnprocessedItems } = await documents().send(
          new BatchWriteCommand({ RequestItems: { [table]: wanted } }),
        );
        wanted = UnprocessedItems?.[table] ?? [];
        return wanted.length === 0 ? { value: undefined } : { conflict: undefined };
      }),
    (cause) => new TableBusy("Failed to write a batch of items", { cause }),
  );
}

export async function deleteItem(key: Key): Promise<void> {
  const remove = new DeleteCommand({ TableName: config().tableName, Key: key });
  await whenFree("remove an item", () => documents().send(remove));
}

/** Returns false when the condition does not hold. */
export async function deleteIf(key: Key, rest: Expressions): Promise<boolean> {
  const table = config().tableName;
  const remove = new DeleteCommand({ TableName: table, Key: key, ...expressions(rest) });
  return conditionHolds(() => documents().send(remove));
}

/** Returns the whole item as it is now, or undefined when the condition does not hold. */
export function updateItem(change: Update): Promise<Item | undefined> {
  return updateReturning("ALL_NEW", change);
}

/** Returns the whole item as it was, or undefined when the condition does not hold. */
export function updateReadingOld(change: Update): Promise<Item | undefined> {
  return updateReturning("ALL_OLD", change);
}

async function updateReturning(
  returns: "ALL_NEW" | "ALL_OLD",
  change: Update,
): Promise<Item | undefined> {
  let item: Item | undefined;
  const isWritten = await conditionHolds(async () => {
    const { Attributes } = await documents().send(updateCommand(change, returns));
    item = Attributes;
  });
  return isWritten ? (item ?? {}) : undefined;
}

/** Returns false when the condition does not hold. For callers that do not need the item. */
export async function updateIf(change: Update): Promise<boolean> {
  return conditionHolds(() => documents().send(updateCommand(change, "NONE")));
}

function updateCommand(change: Update, returns: "ALL_NEW" | "ALL_OLD" | "NONE"): UpdateCommand {
  return new UpdateCommand({
    TableName: config().tableName,
    Key: change.key,
    UpdateExpression: change.update,
    ...expressions(change),
    ReturnValues: returns,
  });
}

/** A put, update, delete or check as part of {@link transact}. */
export const write = {
  put: (item: Item, rest: Expressions = {}): TransactItem => ({
    Put: { TableName: config().tableName, Item: item, ...expressions(rest) },
  }),
  update: (change: Update): TransactItem => ({
    Update: {
      TableName: config().tableName,
      Key: change.key,
      UpdateExpression: change.update,
      ...expressions(change),
    },
  }),
  delete: (key: Key, rest: Expressions = {}): TransactItem => ({
    Delete: { TableName: config().tableName, Key: key, ...expressions(rest) },
  }),
};

/** A condition of a transaction on an item that it does not write. */
export function conditionCheck(
  key: Key,
  { condition, ...rest }: Expressions & { condition: string },
): TransactItem {
  return {
    ConditionCheck: {
      TableName: config().tableName,
      Key: key,
      ...expressions({ ...rest, condition }),
      ConditionExpression: condition,
    },
  };
}

/**
 * All writes or none. Resolves to the places (from 0) of the writes whose condition did not hold: an
 * empty list means that all were done. Other writers of the same items are waited for, within bounds.
 *
 * @throws TableBusy when others hold the items for longer than about a second
 */
export async function transact(items: TransactItem[]): Promise<number[]> {
  return withBackOff(
    conflictBackOff,
    () => unlessBusy(() => tryTransaction(items)),
    (cause) => new TableBusy("Failed to write several items together", { cause }),
  );
}

async function tryTransaction(items: TransactItem[]): Promise<Attempt<number[]>> {
  try {
    await documents().send(new TransactWriteCommand({ TransactItems: items }));
    return { value: [] };
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error;
    const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code);
    if (codes.includes("ConditionalCheckFailed")) {
      const failed = codes.flatMap((code, place) =>
        code === "ConditionalCheckFailed" ? [place] : [],
      );
      return { value: failed };
    }
    if (!codes.some((code) => code !== undefined && BUSY_REASONS.has(code))) throw error;
    return { conflict: error };
  }
}

export type Query = {
  index?: string;
  /** Name and value of the partition key. */
  partition: [name: string, value: string];
  /** Name of the sort key and the prefix that its values have. */
  prefix?: [name: string, value: string];
  filter?: string;
  values?: Record<string, unknown>;
  limit: number;
  newestFirst?: boolean;
  /** The key after which the page begins. */
  after?: Record<string, string>;
};

export type Queried = { items: Item[]; more: boolean; last: string | undefined };

/**
 * One page. `more`: another page may follow after the sort key `last`. An index may lag behind the
 * table by a moment.
 */
export async function queryItems(query: Query): Promise<Queried> {
  const [name, value] = query.partition;
  const sorted = query.prefix === undefined ? "" : ` AND begins_with(#${query.prefix[0]}, :prefix)`;
  const condition = `#${name} = :partition${sorted}`;
  const page = new QueryCommand({
    TableName: config().tableName,
    ...(query.index === undefined ? { ConsistentRead: true } : { IndexName: query.index }),
    KeyConditionExpression: condition,
    ...(query.filter === undefined ? {} : { FilterExpression: query.filter }),
    ExpressionAttributeNames: placeholders(`${condition} ${query.filter ?? ""}`, {}),
    ExpressionAttributeValues: {
      ":partition": value,
      ...(query.prefix === undefined ? {} : { ":prefix": query.prefix[1] }),
      ...query.values,
    },
    Limit: query.limit,
    ScanIndexForward: query.newestFirst !== true,
    ...(query.after === undefined ? {} : { ExclusiveStartKey: query.after }),
  });
  const { Items, LastEvaluatedKey } = await whenFree("read a page of items", () =>
    documents().send(page),
  );
  const last = LastEvaluatedKey?.[query.index === undefined ? "sk" : "gsi1sk"];
  return {
    items: Items ?? [],
    more: LastEvaluatedKey !== undefined,
    last: typeof last === "string" ? last : undefined,
  };
}

/** The `ttl` of an item that DynamoDB may remove after so many seconds. */
export function expiresIn(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

function expressions(parts: Expressions & { update?: string }) {
  const names = placeholders(`${parts.update ?? ""} ${parts.condition ?? ""}`, parts.names ?? {});
  return {
    ...(parts.condition === undefined ? {} : { ConditionExpression: parts.condition }),
    ...(Object.keys(names).length === 0 ? {} : { ExpressionAttributeNames: names }),
    ...(parts.values === undefined ? {} : { ExpressionAttributeValues: parts.values }),
  };
}

function placeholders(text: string, given: Record<string, string>): Record<string, string> {
  const words = new Set(text.match(/#\w+/g) ?? []);
  return Object.fromEntries([...words].map((word) => [word, given[word] ?? word.slice(1)]));
}

async function conditionHolds(send: () => Promise<unknown>): Promise<boolean> {
  try {
    await whenFree("write an item", send);
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}

/** Waits for a transaction that holds the item, and for a table that is asked too often. */
function whenFree<T>(what: string, send: () => Promise<T>): Promise<T> {
  return withBackOff(
    conflictBackOff,
    () => unlessBusy(async () => ({ value: await send() })),
    (cause) => new TableBusy(`Failed to ${what}`, { cause }),
  );
}

/** The attempt, or the conflict for which the table has refused all of it. */
async function unlessBusy<T>(attempt: () => Promise<Attempt<T>>): Promise<Attempt<T>> {
  try {
    return await attempt();
  } catch (error) {
    if (isBusy(error)) return { conflict: error };
    throw error;
  }
}
