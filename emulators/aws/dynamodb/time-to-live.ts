import { setImmediate } from "node:timers/promises";
import { dynamodbError, validationError } from "./errors.ts";
import { checkInput, type Input, type Output, runNow } from "./operations.ts";
import type { Item, Store, Table } from "./store.ts";

type TimeToLiveOptions = {
  store: Store;
  /** Milliseconds since 1970. */
  now: () => number;
};

const SPACE = "time-to-live";
const PAGE_ROWS = 256;
// DynamoDB ignores a time that is longer ago than this: it takes it for a mistake.
const AGE_SECONDS_MAX = 5 * 365 * 24 * 60 * 60;

export type TimeToLive = ReturnType<typeof createTimeToLive>;

/** Time to live: the setting of each table, and the sweep that deletes expired items. */
export function createTimeToLive({ store, now }: TimeToLiveOptions) {
  const { rows } = store;
  const attributeOf = (table: string) => rows.read(SPACE, table) as string | undefined;

  return {
    describe(input: Input): Output {
      const attribute = attributeOf(requireTable(store, input).TableName);
      const description = attribute
        ? { TimeToLiveStatus: "ENABLED", AttributeName: attribute }
        : { TimeToLiveStatus: "DISABLED" };
      return { TimeToLiveDescription: description };
    },

    update(input: Input): Output {
      const { TableName: table } = requireTable(store, input);
      const specification = requireSpecification(input.TimeToLiveSpecification);
      const { Enabled, AttributeName } = specification;
      const current = attributeOf(table);
      if (Enabled && current) throw validationError("TimeToLive is already enabled");
      if (!Enabled && !current) throw validationError("TimeToLive is already disabled");
      if (!Enabled && current !== AttributeName) {
        throw validationError(`TimeToLive is active on a different AttributeName: ${current}`);
      }
      if (Enabled) rows.put(SPACE, table, AttributeName);
      else rows.del(SPACE, table);
      return { TimeToLiveSpecification: specification };
    },

    forget(table: string): void {
      rows.del(SPACE, table);
    },

    /** Deletes expired items, a page per turn of the event loop. */
    async sweep(signal: AbortSignal): Promise<void> {
      for (const { key: table } of Array.from(rows.walk(SPACE))) {
        let after: string | undefined = "";
        while (after !== undefined && !signal.aborted) {
          after = sweepPage({ store, now }, table, after);
          await setImmediate();
        }
      }
    },
  };

  function sweepPage(options: TimeToLiveOptions, tableName: string, after: string) {
    const table = store.readTable(tableName);
    const attribute = attributeOf(tableName);
    if (!table || !attribute) return undefined;
    const page = store.itemPage(tableName, after, PAGE_ROWS);
    const items = page.map((row) => JSON.parse(row.value) as Item);
    const nowSeconds = Math.floor(now() / 1000);
    deleteAll(
      options,
      table,
      items.filter((item) => hasExpired(item[attribute], nowSeconds)),
    );
    return page.length === PAGE_ROWS ? page.at(-1)?.key : undefined;
  }
}

/** Only a number of seconds since 1970 counts; a string of digits, a date or a map does not. */
function hasExpired(value: Item[string] | undefined, nowSeconds: number): boolean {
  if (typeof value?.N !== "string") return false;
  const expirySeconds = Number(value.N);
  return expirySeconds < nowSeconds && expirySeconds > nowSeconds - AGE_SECONDS_MAX;
}

function deleteAll({ store }: TimeToLiveOptions, table: Table, items: Item[]): void {
  if (items.length === 0) return;
  const names = table.KeySchema.map((key) => key.AttributeName);
  store.rows.atomically(() => {
    for (const item of items) {
      const Key = Object.fromEntries(names.map((name) => [name, item[name]]));
      const input = checkInput(store, "DeleteItem", { TableName: table.TableName, Key });
      runNow(store, "DeleteItem", input);
    }
  });
}

function requireTable(store: Store, { TableName: name }: Input): Table {
  const table = typeof name === "string" ? store.readTable(name) : undefined;
  if (table) return table;
  const message = `Requested resource not found: Table: ${name} not found`;
  throw dynamodbError("ResourceNotFoundException", message);
}

function requireSpecification(specification: unknown) {
  const { Enabled, AttributeName } = (specification ?? {}) as Record<string, unknown>;
  if (typeof Enabled === "boolean" && typeof AttributeName === "string" && AttributeName !== "") {
    return { Enabled, AttributeName };
  }
  throw validationError(
    "Expected `TimeToLiveSpecification` to hold `Enabled` and a non-empty `AttributeName`",
  );
}
