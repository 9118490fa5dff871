import type { DatabaseSync } from "node:sqlite";
import { queueDoesNotExist, SqsError } from "./errors.ts";
import type { QueueAttributes } from "./queue-attributes.ts";

export type Queue = {
  id: number;
  name: string;
  attributes: QueueAttributes;
  createdSeconds: number;
  modifiedSeconds: number;
};

export const QUEUES_SCHEMA = `
  CREATE TABLE IF NOT EXISTS queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    attributes TEXT NOT NULL,
    created_seconds INTEGER NOT NULL,
    modified_seconds INTEGER NOT NULL
  )`;

export const ACCOUNT_ID = "000000000000";

export type Queues = ReturnType<typeof createQueues>;

/** The queues of one local SQS. */
export function createQueues(database: DatabaseSync, now: () => number) {
  const columns = `id, name, attributes, created_seconds AS createdSeconds,
    modified_seconds AS modifiedSeconds`;
  const select = database.prepare(`SELECT ${columns} FROM queues WHERE name = ?`);
  const insert = database.prepare(
    `INSERT INTO queues (name, attributes, created_seconds, modified_seconds) VALUES (?, ?, ?, ?)`,
  );
  const update = database.prepare(
    "UPDATE queues SET attributes = ?, modified_seconds = ? WHERE id = ?",
  );
  const remove = database.prepare("DELETE FROM queues WHERE id = ?");
  const selectNames = database.prepare(
    "SELECT name FROM queues WHERE substr(name, 1, ?) = ? AND name > ? ORDER BY name LIMIT ?",
  );
  const seconds = () => Math.floor(now() / 1000);

  const find = (name: string): Queue | undefined => {
    const row = select.get(name);
    return row && ({ ...row, attributes: JSON.parse(String(row.attributes)) } as Queue);
  };

  return {
    find,
    /** @param url of the queue; only its path counts, since the port may change between starts. */
    get(url: string): Queue {
      const queue = find(nameIn(url));
      if (!queue) throw queueDoesNotExist();
      return queue;
    },
    create(name: string, attributes: QueueAttributes): void {
      insert.run(name, JSON.stringify(attributes), seconds(), seconds());
    },
    setAttributes(queue: Queue, attributes: QueueAttributes): void {
      update.run(JSON.stringify(attributes), seconds(), queue.id);
    },
    /** Its messages go with it. */
    remove(queue: Queue): void {
      remove.run(queue.id);
    },
    /** At most `limit` names that start with `prefix` and come after `after`. */
    names: (prefix: string, after: string, limit: number) =>
      selectNames.all(prefix.length, prefix, after, limit).map((row) => String(row.name)),
  };
}

/** @throws SqsError for a name SQS would not take, and for FIFO queues, which are not supported. */
export function requireQueueName(name: string): void {
  if (name.endsWith(".fifo")) {
    throw new SqsError("UnsupportedOperation", "FIFO queues are not supported by the local SQS.");
  }
  if (/^[\w-]{1,80}$/.test(name)) return;
  throw new SqsError(
    "InvalidParameterValue",
    "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.",
  );
}

function nameIn(url: string): string {
  const [, account, name, ...others] = URL.canParse(url) ? new URL(url).pathname.split("/") : [];
  if (account !== ACCOUNT_ID || name === undefined || others.length > 0) throw queueDoesNotExist();
  return name;
}
