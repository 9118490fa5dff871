import { closeSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { syncFolder } from "../disk/sync-folder.ts";

type OpenDatabaseOptions = {
  /** Directory of the file, created if needed. Default: memory only. */
  dataDir?: string | undefined;
  /** File name without its extension. */
  name: string;
  /** Data definition run at every start: `CREATE TABLE IF NOT EXISTS ...`. */
  schema: string;
  /** Kept in the file as its `application_id`: see `check-database.ts`. Default: none. */
  generation?: number | undefined;
  /** A transaction is on the disk once it is committed. Default: a power cut may lose the last ones. */
  flush?: boolean | undefined;
};

/**
 * Opens the SQLite database of one local service.
 *
 * A committed transaction survives the death of the process (`kill -9`): the operating system has
 * the log by then. With `flush` it survives a power cut, too; without, a power cut loses the last
 * transactions, and damages nothing older, unless the log is synced (see `log-sync.ts`). The file is locked for this process, so two services
 * cannot share it.
 *
 * @throws Error if another process holds the file, or it is not a database
 */
export function openDatabase(options: OpenDatabaseOptions): DatabaseSync {
  const { dataDir, name, schema, generation, flush = false } = options;
  const file = dataDir === undefined ? ":memory:" : createFile(dataDir, name);
  const database = new DatabaseSync(file);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec("PRAGMA journal_mode = WAL");
    // SQLite, "Write-Ahead Logging", 3.4: FULL syncs the log at each commit.
    database.exec(`PRAGMA synchronous = ${flush ? "FULL" : "NORMAL"}`);
    database.exec(schema);
    if (generation !== undefined) database.exec(`PRAGMA application_id = ${generation}`);
  } catch (cause) {
    database.close();
    throw new Error(`Failed to open ${file}`, { cause });
  }
  return database;
}

/** Readable by this user only; the files that SQLite makes beside it get the same mode. */
function createFile(dataDir: string, name: string): string {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const file = databasePath(dataDir, name);
  closeSync(openSync(file, "a", 0o600));
  syncFolder(dataDir);
  return file;
}

export function databasePath(dataDir: string, name: string): string {
  return path.join(dataDir, `${name}.sqlite`);
}

/** Runs `work` in one transaction: all of its writes are kept, or, if it throws, none. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
