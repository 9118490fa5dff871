import { closeSync, existsSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** SQLite, "Database File Format", 1.3 The Database Header. */
const HEADER = Buffer.from("SQLite format 3\0", "latin1");
/** The same, 4.1 WAL File Format: the last bit says how checksums are computed. */
const WAL_MAGIC = 0x377f0682;
/** SQLite, "Result and Error Codes". */
const SQLITE_BUSY = 5;

export type CheckOptions = {
  /** What `PRAGMA application_id` must be: which data folder the file belongs to. */
  generation: number;
  /** The file may be missing, or not have got its data yet: its first start was interrupted. */
  isNew: boolean;
};

/**
 * What is wrong with a database of a stopped service, as the end of a sentence that begins with the
 * file's name; undefined if nothing is. Reads the whole file and changes nothing.
 */
export function damageOf(file: string, options: CheckOptions): string | undefined {
  if (!existsSync(file)) return options.isNew ? undefined : "is missing";
  if (statSync(file).size === 0) return options.isNew ? undefined : "is empty";
  if (!startOf(file, HEADER.length).equals(HEADER)) return "is not an SQLite database";
  const log = `${file}-wal`;
  if (existsSync(log) && !isWriteAheadLog(log)) return "has a damaged write-ahead log (-wal)";
  try {
    return damageInside(file, options);
  } catch (error) {
    const isInUse = (error as { errcode?: number }).errcode === SQLITE_BUSY;
    return isInUse ? "is in use by another process" : `is damaged (${(error as Error).message})`;
  }
}

function damageInside(file: string, { generation, isNew }: CheckOptions): string | undefined {
  const beside = [`${file}-wal`, `${file}-shm`].filter((path) => !existsSync(path));
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const { quick_check: found } = database.prepare("PRAGMA quick_check(1)").get() ?? {};
    if (found !== "ok") return `is damaged (${found})`;
    const { application_id: id } = database.prepare("PRAGMA application_id").get() ?? {};
    if (id === generation || (id === 0 && isNew)) return undefined;
    return id === 0 ? "has lost its data" : "belongs to another data folder";
  } finally {
    database.close();
    // A reader of a database in WAL mode makes these; an empty log holds nothing.
    for (const path of beside) rmSync(path, { force: true });
  }
}

/** An empty one belongs to a database that nothing has been written to since it was opened. */
function isWriteAheadLog(path: string): boolean {
  if (statSync(path).size === 0) return true;
  const start = startOf(path, 4);
  return start.length === 4 && (start.readUInt32BE() & ~1) >>> 0 === WAL_MAGIC;
}

function startOf(path: string, bytes: number): Buffer {
  const file = openSync(path, "r");
  try {
    const start = Buffer.alloc(bytes);
    return start.subarray(0, readSync(file, start, 0, bytes, 0));
  } finally {
    closeSync(file);
  }
}
