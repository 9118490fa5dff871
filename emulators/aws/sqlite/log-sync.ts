import { type FileHandle, open } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { GroupSync } from "../disk/group-sync.ts";

export type LogSync = {
  /** Resolves once every transaction is on the disk that was committed before. */
  settled(): Promise<void>;
  close(): Promise<void>;
};

/**
 * Syncs the write-ahead log of a database, which SQLite itself does for checkpoints only
 * (`synchronous = NORMAL`): a commit is on the disk once the log is. The log is one file for as long
 * as the database is open.
 */
export function logSync(database: DatabaseSync, file: string): LogSync {
  const changes = database.prepare("SELECT total_changes() AS count");
  let log: Promise<FileHandle> | undefined;
  const group = new GroupSync(async () => {
    log ??= open(`${file}-wal`, "r");
    await (await log).datasync();
  });
  let seen: unknown;
  return {
    settled: () => {
      const count = changes.get()?.count;
      if (count !== seen) group.mark();
      seen = count;
      return group.settled();
    },
    close: async () => {
      await (await log)?.close();
    },
  };
}
