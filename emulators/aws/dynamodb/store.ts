/**
 * The store of dynalite's operations, kept in SQLite instead of LevelDB.
 *
 * Every function here completes before it returns. So a whole operation (read, check the condition,
 * write the item and its index entries) runs within one turn of the event loop, and one SQLite
 * transaction around it makes it atomic, for other requests and across a crash, without a lock.
 */
import assert from "node:assert";
import type { DatabaseSync } from "node:sqlite";
import db from "dynalite/db/index.js";
import { ITEM_BYTES_MAX } from "./item-bytes.ts";
import { createRows, type Range, RowStream } from "./rows.ts";

type Callback<T = unknown> = (error: Error | null, value?: T) => void;
export type Item = Parameters<typeof db.createKey>[0];

export type Table = Record<string, unknown> & {
  TableName: string;
  TableStatus: string;
  KeySchema: { AttributeName: string }[];
  GlobalSecondaryIndexes?: { IndexStatus: string }[];
};

const TABLE_SPACE = "table";
const itemSpace = (table: string) => `item-${table}`;
const indexSpace = (type: string, table: string, index: string) =>
  `index-${type.toLowerCase()}~${table}~${index}`;

export type Store = ReturnType<typeof createStore>;

/** @param region for the ARNs of tables */
export function createStore(database: DatabaseSync, region: string) {
  const rows = createRows(database);
  const writing: Writing = { itemKey: undefined };
  const readTable = (name: string) => rows.read(TABLE_SPACE, name) as Table | undefined;

  const store = {
    options: { createTableMs: 0, deleteTableMs: 0, maxItemSize: ITEM_BYTES_MAX },
    tableDb: {
      ...createSpace(rows, TABLE_SPACE, writing),
      awsAccountId: "000000000000",
      awsRegion: region,
    },
    getTable(name: string, checkStatus: boolean | Callback<Table>, done?: Callback<Table>) {
      const answer = typeof checkStatus === "function" ? checkStatus : done;
      const table = readTable(name);
      if (table) answer?.(null, table);
      else answer?.(tableNotFound());
    },
    getItemDb: (table: string) => createSpace(rows, itemSpace(table), writing),
    getIndexDb: (type: string, table: string, index: string) =>
      createIndexSpace(rows, indexSpace(type, table, index), writing),
    deleteItemDb: (table: string, done: Callback) => done(null, rows.clear(itemSpace(table))),
    deleteTagDb: (_table: string, done: Callback) => done(null),
    deleteIndexDb: (type: string, table: string, index: string, done: Callback) =>
      done(null, rows.clear(indexSpace(type, table, index))),

    // dynalite does not use what follows.
    rows,
    readTable,
    readItem: (table: string, key: string) => rows.read(itemSpace(table), key) as Item | undefined,
    itemPage: (table: string, after: string, limit: number) =>
      rows.page(itemSpace(table), after, limit),
    /**
     * The key under which an item is stored.
     *
     * @param item with at least the attributes of the table's key
     * @returns undefined if there is no such table, or the key does not fit it
     */
    keyOf(tableName: string, item: Item): string | undefined {
      const table = readTable(tableName);
      if (!table) return undefined;
      const names = table.KeySchema.map((key) => key.AttributeName);
      const present = names.filter((name) => item[name] !== undefined);
      const key = Object.fromEntries(present.map((name) => [name, item[name]])) as Item;
      return db.validateKey(key, table) ? undefined : db.createKey(key, table);
    },
  };
  return {
    ...store,
    /** The same store for a query that starts after an item, given by its key, in an index. */
    startingAfter: (itemKey: string) => ({
      ...store,
      getIndexDb: (type: string, table: string, index: string) =>
        createIndexSpace(rows, indexSpace(type, table, index), writing, itemKey),
    }),
  };
}

type Rows = ReturnType<typeof createRows>;

/** Key of the item whose operation is running: dynalite locks it first, then writes to indexes. */
type Writing = {
  itemKey: string | undefined;
};

function createSpace(rows: Rows, space: string, writing: Writing) {
  return {
    get: (key: string, done: Callback) => done(null, rows.read(space, key)),
    put: (key: string, value: unknown, done: Callback) => done(null, rows.put(space, key, value)),
    del: (key: string, done: Callback) => done(null, rows.del(space, key)),
    lock(key: string, work: (release: (done: Callback) => Callback) => void) {
      writing.itemKey = key;
      work((done) => done);
    },
    createKeyStream: (range?: Range) => new RowStream(rows.walk(space, range), (row) => row.key),
    createValueStream: (range?: Range) =>
      new RowStream(rows.walk(space, range), (row) => JSON.parse(row.value)),
  };
}

/**
 * dynalite tells two entries with equal index keys apart by 24 bits of a hash of the items' keys,
 * so that one entry can replace another. Here the item's whole key follows the hash.
 */
function createIndexSpace(rows: Rows, space: string, writing: Writing, startItemKey?: string) {
  const entryKey = (key: string, itemKey = writing.itemKey) => {
    assert(itemKey !== undefined, "an index entry is written outside of an item's operation");
    return `${key}/${itemKey}`;
  };
  const exact = (range: Range): Range => {
    if (startItemKey === undefined) return range;
    if (!range.reverse)
      return range.gt ? { ...range, gt: entryKey(range.gt, startItemKey) } : range;
    return range.lt ? { ...range, lt: entryKey(range.lt, startItemKey) } : range;
  };
  return {
    put: (key: string, value: unknown, done: Callback) =>
      done(null, rows.put(space, entryKey(key), value)),
    del: (key: string, done: Callback) => done(null, rows.del(space, entryKey(key))),
    createValueStream: (range: Range = {}) =>
      new RowStream(rows.walk(space, exact(range)), (row) => JSON.parse(row.value)),
  };
}

function tableNotFound(): Error {
  const message = "Requested resource not found";
  return Object.assign(new Error(message), {
    name: "NotFoundError",
    statusCode: 400,
    body: { __type: "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", message },
  });
}
