import { statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { SQLInputValue, StatementSync } from "node:sqlite";
import type * as z from "zod";
import { type Connection, connect, DamagedStoreError, disconnect } from "./connection.ts";
import { flushFolder } from "./replace-file.ts";

/** A checkpoint syncs the log and the file, so it waits for a quiet moment. */
const CHECKPOINT_BYTES = 4 * 2 ** 20;
/** With so long a log no quiet moment is waited for. */
const CHECKPOINT_BYTES_MAX = 64 * 2 ** 20;

type Row = Readonly<Record<string, unknown>>;

/**
 * The agent's durable memory: `agent.sqlite` in the state directory. When a write returns, it survives
 * the death of the agent; after {@link flush} also a power failure. No write waits for the disk, and
 * checkpoints are made in quiet moments: so none of either falls in a downtime.
 */
export class AgentStore {
  readonly path: string;
  readonly #connection: Connection;
  #flushing: Promise<void> | undefined;
  #isOpen = true;

  /** @throws DamagedStoreError; Error when the file cannot be opened */
  constructor(stateDir: string) {
    this.path = join(stateDir, "agent.sqlite");
    this.#connection = connect(this.path);
    this.#beginLog();
    // The log's name survives a power failure from here on.
    flushFolder(stateDir);
  }

  /** @throws the error of SQLite: then nothing is written */
  run(sql: string, ...values: SQLInputValue[]): void {
    this.#prepare(sql).run(...values);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values);
  }

  /** @throws DamagedStoreError when a row is not as `schema` has it */
  all<T>(schema: z.ZodType<T>, sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepare(sql)
      .all(...values)
      .map((row) => this.parse(schema, row));
  }

  /** The value of a column that holds JSON. @throws DamagedStoreError when it is not JSON */
  json(row: Row, column: string): unknown {
    try {
      return JSON.parse(String(row[column]));
    } catch (cause) {
      throw new DamagedStoreError(this.path, `${column} of ${name(row)} is no JSON`, { cause });
    }
  }

  /** @throws DamagedStoreError when the value is not as `schema` has it */
  parse<T>(schema: z.ZodType<T>, value: unknown): T {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const what = `${name(value)}: ${issue?.path.join(".")}: ${issue?.message}`;
    throw new DamagedStoreError(this.path, what, { cause: parsed.error });
  }

  /** All writes of `work`, or, if it throws, none. */
  inTransaction(work: () => void): void {
    const { database } = this.#required();
    if (database.isTransaction) {
      work();
      return;
    }
    database.exec("BEGIN IMMEDIATE");
    try {
      work();
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * Resolves when all that was written before survives a power failure. fdatasync(2) of the log is what
   * SQLite does with `synchronous=FULL`; here it does not block the agent.
   *
   * @throws the file system's error
   */
  async flush(): Promise<void> {
    // One that is under way may have begun before the newest write.
    await this.#flushing?.catch(() => undefined);
    this.#flushing ??= this.#sync().finally(() => {
      this.#flushing = undefined;
    });
    await this.#flushing;
  }

  async #sync(): Promise<void> {
    const log = await open(`${this.path}-wal`, "r");
    try {
      await log.datasync();
    } finally {
      await log.close();
    }
  }

  /** Empties a log that has grown. `isQuiet`: no guest of this host is in a migration. */
  checkpoint(isQuiet: boolean): void {
    const { size } = statSync(`${this.path}-wal`);
    if (size < (isQuiet ? CHECKPOINT_BYTES : CHECKPOINT_BYTES_MAX)) return;
    this.#required().database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#beginLog();
  }

  /** SQLite syncs the header of a new log with its first write: here, and not in a downtime. */
  #beginLog(): void {
    this.run("INSERT OR REPLACE INTO meta VALUES ('log', ?)", String(Date.now()));
  }

  /** May be called again. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    disconnect(this.path, this.#connection);
  }

  #prepare(sql: string): StatementSync {
    const { database, statements } = this.#required();
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  }

  #required(): Connection {
    if (!this.#isOpen) throw new Error(`Expected ${this.path} to be open`);
    return this.#connection;
  }
}

function name(row: unknown): string {
  const { id, vm } = Object(row);
  return String(id ?? vm ?? "a row");
}
