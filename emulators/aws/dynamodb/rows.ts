import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { Stream } from "node:stream";
import { inTransaction } from "../sqlite/open-database.ts";

/** One row: its key orders it within its space, its value is JSON. */
export type Row = {
  key: string;
  value: string;
};

/** Bounds and direction of a walk over a space, as LevelDB's clients write them. */
export type Range = {
  gt?: string;
  gte?: string;
  lt?: string;
  lte?: string;
  reverse?: boolean;
  /** Negative or absent for no limit. */
  limit?: number;
};

export const ROWS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS rows (
    space TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (space, key)
  ) WITHOUT ROWID`;

// Rows read at a time during a walk.
const PAGE_ROWS = 256;

// Values that are cached parsed; the cache is emptied when there are more.
const KEPT_VALUES_MAX = 5_000;

/**
 * Ordered maps from text to JSON, each in a space of its own, all in one SQLite table. Values that
 * were read or written are cached parsed, so a caller must not change a value that it reads.
 */
export function createRows(database: DatabaseSync) {
  const kept = new Map<string, Map<string, unknown>>();
  let keptValues = 0;
  const forget = () => {
    kept.clear();
    keptValues = 0;
  };
  const keep = (space: string, key: string, value: unknown) => {
    if (keptValues >= KEPT_VALUES_MAX) forget();
    const values = kept.get(space) ?? new Map<string, unknown>();
    kept.set(space, values);
    values.set(key, value);
    keptValues += 1;
  };
  const select = database.prepare("SELECT value FROM rows WHERE space = ? AND key = ?");
  const upsert = database.prepare(
    "INSERT OR REPLACE INTO rows (space, key, value) VALUES (?, ?, ?)",
  );
  const remove = database.prepare("DELETE FROM rows WHERE space = ? AND key = ?");
  const removeAll = database.prepare("DELETE FROM rows WHERE space = ?");

  return {
    read(space: string, key: string): unknown {
      const values = kept.get(space);
      if (values?.has(key)) return values.get(key);
      const row = select.get(space, key) as Pick<Row, "value"> | undefined;
      if (row === undefined) return undefined;
      const value: unknown = JSON.parse(row.value);
      keep(space, key, value);
      return value;
    },
    put: (space: string, key: string, value: unknown): void => {
      upsert.run(space, key, JSON.stringify(value));
      keep(space, key, value);
    },
    del: (space: string, key: string): void => {
      remove.run(space, key);
      kept.get(space)?.delete(key);
    },
    clear: (space: string): void => {
      removeAll.run(space);
      kept.delete(space);
    },
    /** All writes of `work`, or none of them if it throws. */
    atomically<T>(work: () => T): T {
      try {
        return inTransaction(database, work);
      } catch (error) {
        forget();
        throw error;
      }
    },
    /** At most `limit` rows whose keys come after `gt`. */
    page: (space: string, gt: string, limit: number) => readPage(database, space, { gt }, limit),
    walk: (space: string, range: Range = {}) => walk(database, space, range),
  };
}

/** Reads page by page, so that no statement stays open while others write. */
function* walk(database: DatabaseSync, space: string, range: Range): Generator<Row> {
  let left = range.limit === undefined || range.limit < 0 ? Number.POSITIVE_INFINITY : range.limit;
  let rest = range;
  while (left > 0) {
    const page = readPage(database, space, rest, Math.min(PAGE_ROWS, left));
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return;
    left -= page.length;
    rest = range.reverse ? endingBefore(rest, last.key) : startingAfter(rest, last.key);
  }
}

function endingBefore({ lte: _, ...range }: Range, lt: string): Range {
  return { ...range, lt };
}

function startingAfter({ gte: _, ...range }: Range, gt: string): Range {
  return { ...range, gt };
}

const comparisons = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

function readPage(database: DatabaseSync, space: string, range: Range, limit: number): Row[] {
  const conditions = ["space = ?"];
  const values: SQLInputValue[] = [space];
  for (const [name, operator] of Object.entries(comparisons)) {
    const bound = range[name as keyof typeof comparisons];
    if (bound === undefined) continue;
    conditions.push(`key ${operator} ?`);
    values.push(bound);
  }
  const order = range.reverse ? "DESC" : "ASC";
  const where = conditions.join(" AND ");
  const sql = `SELECT key, value FROM rows WHERE ${where} ORDER BY key ${order} LIMIT ?`;
  return database.prepare(sql).all(...values, limit) as unknown as Row[];
}

/**
 * The part of a stream that dynalite needs. All rows are read in one turn of the event loop, so a
 * query sees one state of the table, and an error that its filter throws reaches the request
 * instead of the process.
 */
export class RowStream extends Stream {
  #destroyed = false;

  constructor(rows: Iterable<Row>, pick: (row: Row) => unknown) {
    super();
    setImmediate(() => this.#run(rows, pick));
  }

  destroy(): void {
    this.#destroyed = true;
  }

  #run(rows: Iterable<Row>, pick: (row: Row) => unknown): void {
    try {
      for (const row of rows) {
        if (this.#destroyed) break;
        this.emit("data", pick(row));
      }
      if (!this.#destroyed) this.emit("end");
    } catch (error) {
      this.emit("error", error);
    }
  }
}
