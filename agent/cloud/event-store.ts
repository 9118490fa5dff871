import { join } from "node:path";
import * as z from "zod";
import { EventBody } from "../../core/protocol/event.ts";
import { readOldJournal } from "../durable/old-journal.ts";
import { AgentStore } from "../durable/store.ts";
import type { Log } from "../runtime/log.ts";

/** An event that the cloud has not accepted; `seq` once it was sent. */
export type Queued = { id: number; atMs: number; body: EventBody; seq?: number };

const EventRow = z.object({
  id: z.int(),
  at_ms: z.number(),
  body: z.string(),
  seq: z.int().positive().nullable(),
});
const MetaRow = z.object({ value: z.string() });

/** An event that this version of the agent does not know is read as it is, see `read`. */
const OldQueued = z.strictObject({
  id: z.int(),
  atMs: z.number(),
  body: z.unknown(),
  seq: z.int().optional(),
});
const OldEntry = z.union([
  z.strictObject({ emitted: OldQueued }),
  z.strictObject({ seq: z.int(), of: z.int() }),
  z.strictObject({ accepted: z.int() }),
  z.strictObject({ dropped: z.int() }),
  z.strictObject({ renumberFrom: z.int() }),
]);
type OldEntry = z.infer<typeof OldEntry>;

const LAST_SEQ = "lastSeq";

/** The durable part of the outbox: events that wait, and the number of the last one sent. */
export class EventStore {
  readonly #store: AgentStore;
  readonly #log: Log;

  /** @throws DamagedStoreError, or Error when the store cannot be opened */
  constructor(stateDir: string, log: Log) {
    this.#log = log;
    this.#store = new AgentStore(stateDir);
    const old = readOldJournal(join(stateDir, "outbox.jsonl"), OldEntry, log);
    if (old === undefined) return;
    this.#store.inTransaction(() => {
      for (const entry of old.entries) this.#import(entry);
    });
    old.finish();
  }

  /** Waiting events in the order of their numbers, then of their ids. */
  read(): { queue: Queued[]; nextId: number; lastSeq: number } {
    const rows = this.#store.all(EventRow, "SELECT * FROM events ORDER BY seq IS NULL, seq, id");
    const queue = rows.flatMap((row) => this.#readRow(row));
    const nextId = Math.max(0, ...rows.map(({ id }) => id)) + 1;
    return { queue, nextId, lastSeq: this.#lastSeq() };
  }

  /** @throws the error of SQLite */
  add({ id, atMs, body, seq }: Queued): void {
    const insert = "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)";
    this.#store.run(insert, id, atMs, JSON.stringify(body), seq ?? null);
  }

  /** Records the numbers of events that are sent now; progress has no row yet. */
  number(batch: readonly Queued[], lastSeq: number): void {
    this.#store.inTransaction(() => {
      for (const queued of batch) this.add(queued);
      this.#setLastSeq(lastSeq);
    });
  }

  /** Removes the events up to a number. */
  accept(seq: number, lastSeq: number): void {
    this.#store.inTransaction(() => {
      this.#store.run("DELETE FROM events WHERE seq <= ?", seq);
      this.#setLastSeq(lastSeq);
    });
  }

  drop(id: number): void {
    this.#store.run("DELETE FROM events WHERE id = ?", id);
  }

  /** All waiting events get new numbers, counted from the one after `lastSeq`. */
  renumber(lastSeq: number): void {
    this.#store.inTransaction(() => {
      this.#store.run("UPDATE events SET seq = NULL");
      this.#setLastSeq(lastSeq);
    });
  }

  close(): void {
    this.#store.close();
  }

  #lastSeq(): number {
    const [row] = this.#store.all(MetaRow, "SELECT value FROM meta WHERE name = ?", LAST_SEQ);
    return row === undefined ? 0 : this.#store.parse(z.coerce.number().int(), row.value);
  }

  #setLastSeq(lastSeq: number): void {
    this.#store.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", LAST_SEQ, String(lastSeq));
  }

  #readRow(row: z.infer<typeof EventRow>): Queued[] {
    const { id, at_ms: atMs, seq } = row;
    const body = EventBody.safeParse(this.#store.json(row, "body"));
    if (body.success) return [{ id, atMs, body: body.data, ...(seq === null ? {} : { seq }) }];
    // Of an older agent: the cloud that belongs to this one would not accept it.
    this.#log.error(
      { event: row, error: body.error },
      "event dropped: this agent does not know it",
    );
    this.drop(id);
    return [];
  }

  #import(entry: OldEntry): void {
    if ("emitted" in entry) {
      const { id, atMs, body, seq } = entry.emitted;
      this.add({ id, atMs, body: body as EventBody, ...(seq === undefined ? {} : { seq }) });
    } else if ("of" in entry) {
      this.#store.run("UPDATE events SET seq = ? WHERE id = ?", entry.seq, entry.of);
      this.#setLastSeq(Math.max(this.#lastSeq(), entry.seq));
    } else if ("accepted" in entry) {
      this.accept(entry.accepted, Math.max(this.#lastSeq(), entry.accepted));
    } else if ("dropped" in entry) this.drop(entry.dropped);
    else this.renumber(entry.renumberFrom);
  }
}
