import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { flushFolder } from "./replace-file.ts";

const VERSION = 1;

/**
 * `commands`: without an answer it is in doubt. `events`: `seq` is null until the event is sent.
 * `exited`: the boot in which the agent recorded the exit. `meta`: single values.
 */
const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE commands (id TEXT PRIMARY KEY, at_ms REAL NOT NULL, answer TEXT) STRICT;
  CREATE INDEX commands_by_age ON commands (at_ms);
  CREATE TABLE epochs (vm TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;
  CREATE TABLE observed (id TEXT PRIMARY KEY, at_ms REAL NOT NULL) STRICT;
  CREATE TABLE events (
    id INTEGER PRIMARY KEY, at_ms REAL NOT NULL, body TEXT NOT NULL, seq INTEGER
  ) STRICT;
  CREATE TABLE exited (vm TEXT PRIMARY KEY, manifest TEXT NOT NULL, boot_id TEXT) STRICT;
  CREATE TABLE migrations (id TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${VERSION};
`;

/** What the agent must not forget cannot be read: it must not start. */
export class DamagedStoreError extends Error {
  override name = "DamagedStoreError";

  constructor(path: string, what: string, options?: ErrorOptions) {
    super(
      `${path} is damaged (${what}), so the agent may have forgotten what it has done: end or reconcile the migrations of this host, then move the file away and start the agent again`,
      options,
    );
  }
}

/** One open database file of this process, shared by all who use its state directory. */
export type Connection = {
  readonly database: DatabaseSync;
  readonly statements: Map<string, StatementSync>;
  users: number;
};

const connections = new Map<string, Connection>();

/** @throws DamagedStoreError; Error when the file cannot be opened */
export function connect(path: string): Connection {
  const known = connections.get(path);
  const connection = known ?? { database: open(path), statements: new Map(), users: 0 };
  connection.users += 1;
  connections.set(path, connection);
  return connection;
}

export function disconnect(path: string, connection: Connection): void {
  connection.users -= 1;
  if (connection.users > 0) return;
  connections.delete(path);
  connection.statements.clear();
  connection.database.close();
}

/** A new file gets its name when it is complete: an empty one is a damaged one. */
function create(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.new`;
  rmSync(next, { force: true });
  // SQLite would let everybody read it.
  closeSync(openSync(next, "w", 0o600));
  const database = new DatabaseSync(next);
  try {
    database.exec(`BEGIN; ${SCHEMA} COMMIT`);
  } finally {
    database.close();
  }
  renameSync(next, path);
  flushFolder(dirname(path));
}

function open(path: string): DatabaseSync {
  if (!existsSync(path)) create(path);
  else if (statSync(path).size === 0) throw new DamagedStoreError(path, "it is empty");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    check(path, database);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = NORMAL");
    // See AgentStore.checkpoint.
    database.exec("PRAGMA wal_autocheckpoint = 0");
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof DamagedStoreError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    if (/not a database|malformed/.test(message)) {
      throw new DamagedStoreError(path, message, { cause });
    }
    throw new Error(`Failed to open ${path}: ${message}`, { cause });
  }
}

function check(path: string, database: DatabaseSync): void {
  const [result] = database.prepare("PRAGMA quick_check(1)").all();
  if (result?.quick_check !== "ok") throw new DamagedStoreError(path, String(result?.quick_check));
  const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
  if (version === VERSION) return;
  if (version === 0) throw new DamagedStoreError(path, "it has no version");
  throw new Error(`${path} is of a newer agent (version ${version}): install that agent again`);
}
