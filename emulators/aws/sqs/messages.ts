/**
 * The messages of all queues, in SQLite. A message is
 *
 *   delayed    visible later, never received
 *   visible    may be received now
 *   in flight  received, visible again later unless deleted; its receipt names the last receive
 *
 * and gone once it is deleted, older than its queue's retention, or received too often and moved to
 * the dead-letter queue, where it keeps its age and its count of receives.
 */
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { MessageAttributes } from "./message-content.ts";
import type { Queue } from "./queues.ts";

export const MESSAGES_SCHEMA = `
  CREATE TABLE IF NOT EXISTS messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    queue_id INTEGER NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT NOT NULL,
    sent_ms INTEGER NOT NULL,
    visible_ms INTEGER NOT NULL,
    receive_count INTEGER NOT NULL DEFAULT 0,
    first_received_ms INTEGER,
    received_ms INTEGER,
    receipt TEXT,
    dead_letter_source TEXT
  );
  CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (queue_id, visible_ms, sequence);
  CREATE INDEX IF NOT EXISTS messages_by_age ON messages (queue_id, sent_ms)`;

export type StoredMessage = {
  sequence: number;
  id: string;
  body: string;
  attributes: MessageAttributes;
  sentMs: number;
  visibleMs: number;
  receiveCount: number;
  firstReceivedMs: number | null;
  receivedMs: number | null;
  receipt: string | null;
  deadLetterSource: string | null;
};

type NewMessage = {
  body: string;
  attributes: MessageAttributes;
  delayMs: number;
};

export type Counts = {
  visible: number;
  delayed: number;
  inFlight: number;
};

const COLUMNS = `sequence, id, body, attributes, sent_ms AS sentMs, visible_ms AS visibleMs,
  receive_count AS receiveCount, first_received_ms AS firstReceivedMs, received_ms AS receivedMs,
  receipt, dead_letter_source AS deadLetterSource`;

export type Messages = ReturnType<typeof createMessages>;

export function createMessages(database: DatabaseSync, now: () => number) {
  const sql = prepareStatements(database);

  return {
    /** @returns the id */
    add(queue: Queue, message: NewMessage): string {
      const id = randomUUID();
      const { body, attributes, delayMs } = message;
      sql.insert.run(queue.id, id, body, JSON.stringify(attributes), now(), now() + delayMs);
      return id;
    },
    removeExpired(queue: Queue): void {
      sql.removeOlder.run(queue.id, now() - queue.attributes.MessageRetentionPeriod * 1000);
    },
    /** The visible message that has waited longest. */
    nextVisible(queue: Queue): StoredMessage | undefined {
      return toMessage(sql.selectVisible.get(queue.id, now()));
    },
    /**
     * Puts a message in flight.
     *
     * @returns the message with its new receipt
     */
    receive(message: StoredMessage, visibilityMs: number): StoredMessage | undefined {
      const { sequence } = message;
      sql.receive.run(now() + visibilityMs, now(), now(), randomUUID(), sequence);
      return toMessage(sql.select.get(sequence));
    },
    moveTo(queue: Queue, message: StoredMessage, sourceArn: string): void {
      sql.move.run(queue.id, now(), sourceArn, message.sequence);
    },
    find: (queue: Queue, sequence: number): StoredMessage | undefined =>
      toMessage(sql.selectInQueue.get(queue.id, sequence)),
    setVisibility(message: StoredMessage, visibilityMs: number): void {
      sql.setVisible.run(now() + visibilityMs, message.sequence);
    },
    remove(message: StoredMessage): void {
      sql.remove.run(message.sequence);
    },
    removeAll(queue: Queue): void {
      sql.removeAll.run(queue.id);
    },
    /** When the next message that is hidden now becomes visible, or undefined. */
    nextVisibleMs(queueId: number): number | undefined {
      const { next } = sql.nextVisibility.get(queueId, now()) as { next: number | null };
      return next ?? undefined;
    },
    counts: (queue: Queue): Counts =>
      sql.count.get(now(), now(), now(), queue.id) as unknown as Counts,
  };
}

function prepareStatements(database: DatabaseSync) {
  return {
    insert: database.prepare(
      `INSERT INTO messages (queue_id, id, body, attributes, sent_ms, visible_ms)
       VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    removeOlder: database.prepare("DELETE FROM messages WHERE queue_id = ? AND sent_ms <= ?"),
    select: database.prepare(`SELECT ${COLUMNS} FROM messages WHERE sequence = ?`),
    selectInQueue: database.prepare(
      `SELECT ${COLUMNS} FROM messages WHERE queue_id = ? AND sequence = ?`,
    ),
    selectVisible: database.prepare(
      `SELECT ${COLUMNS} FROM messages WHERE queue_id = ? AND visible_ms <= ?
       ORDER BY visible_ms, sequence LIMIT 1`,
    ),
    receive: database.prepare(
      `UPDATE messages SET visible_ms = ?, received_ms = ?, receive_count = receive_count + 1,
       first_received_ms = coalesce(first_received_ms, ?), receipt = ? WHERE sequence = ?`,
    ),
    move: database.prepare(
      `UPDATE messages SET queue_id = ?, visible_ms = ?, receipt = NULL, dead_letter_source = ?
       WHERE sequence = ?`,
    ),
    setVisible: database.prepare("UPDATE messages SET visible_ms = ? WHERE sequence = ?"),
    remove: database.prepare("DELETE FROM messages WHERE sequence = ?"),
    removeAll: database.prepare("DELETE FROM messages WHERE queue_id = ?"),
    nextVisibility: database.prepare(
      "SELECT min(visible_ms) AS next FROM messages WHERE queue_id = ? AND visible_ms > ?",
    ),
    count: database.prepare(
      `SELECT count(*) FILTER (WHERE visible_ms <= ?) AS visible,
         count(*) FILTER (WHERE visible_ms > ? AND receipt IS NULL) AS delayed,
         count(*) FILTER (WHERE visible_ms > ? AND receipt IS NOT NULL) AS inFlight
       FROM messages WHERE queue_id = ?`,
    ),
  };
}

function toMessage(row: Record<string, unknown> | undefined): StoredMessage | undefined {
  if (!row) return undefined;
  return { ...row, attributes: JSON.parse(String(row.attributes)) } as StoredMessage;
}
