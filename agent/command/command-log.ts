import { join } from "node:path";
import * as z from "zod";
import { CommandId, MigrationId, VmId } from "../../core/id.ts";
import { type Command, CommandError } from "../../core/protocol/command.ts";
import { readOldJournal } from "../durable/old-journal.ts";
import { AgentStore } from "../durable/store.ts";

/** `result` may have been undefined, which JSON leaves out. */
const Answer = z.union([
  z.strictObject({ error: CommandError }),
  z.strictObject({ result: z.unknown() }),
]);
export type Answer = { result: unknown } | { error: CommandError };

/** How long answers are kept: longer than a command can stay in the queue. */
const KEEP_MS = 24 * 3600 * 1000;
/** Old rows are deleted after so many commands, and at the start. */
const PRUNE_EVERY = 1_000;
/** Rows of commands, observed migrations and epochs each. */
const ROWS_MAX = 100_000;

const CommandRow = z.object({ id: CommandId, at_ms: z.number(), answer: z.string().nullable() });
const ObservedRow = z.object({ id: MigrationId, at_ms: z.number() });
const EpochRow = z.object({ vm: VmId, epoch: z.int().nonnegative() });

const FIRST_REGISTERED = "first-registered";
const FirstRegistered = z.strictObject({ bootId: z.string(), at: z.iso.datetime() });
type FirstRegistered = z.infer<typeof FirstRegistered>;

const OldEntry = z.union([
  z.strictObject({ begun: CommandId, atMs: z.number() }),
  z.strictObject({ answered: CommandId, atMs: z.number(), answer: Answer }),
  z.strictObject({ vm: VmId, epoch: z.int().nonnegative() }),
  z.strictObject({ observed: MigrationId, atMs: z.number() }),
]);
type OldEntry = z.infer<typeof OldEntry>;

/**
 * The agent's durable memory of commands: recorded answers for repeated ones, the newest epoch of each
 * VM, and which ones had begun when the agent died.
 */
export class CommandLog {
  readonly #store: AgentStore;
  readonly #now: () => number;
  /** Answers as JSON, as in the store. Each of these has the oldest entry first. */
  readonly #answers = new Map<CommandId, { atMs: number; text: string }>();
  readonly #begun = new Map<CommandId, { atMs: number }>();
  readonly #observed = new Map<MigrationId, { atMs: number }>();
  readonly #epochs = new Map<VmId, number>();
  #firstRegistered: FirstRegistered | undefined;
  #writes = 0;

  /** @throws DamagedStoreError, or Error when the store cannot be opened */
  constructor(stateDir: string, now: () => number = Date.now) {
    this.#now = now;
    this.#store = new AgentStore(stateDir);
    this.#import(join(stateDir, "commands.jsonl"));
    this.#read();
    this.#prune();
  }

  /**
   * When this host first registered since it was started, by the cloud's clock. What was sent before
   * may have been carried out, and forgotten in a crash. Absent before the first registration.
   */
  get firstRegisteredAt(): string | undefined {
    return this.#firstRegistered?.at;
  }

  /** The cloud has registered this host at `at`. @throws the error of SQLite */
  noteRegistered(bootId: string, at: string): void {
    if (this.#firstRegistered?.bootId === bootId) return;
    const noted = { bootId, at };
    this.#store.run(
      "INSERT OR REPLACE INTO meta VALUES (?, ?)",
      FIRST_REGISTERED,
      JSON.stringify(noted),
    );
    this.#firstRegistered = noted;
  }

  answerOf(id: CommandId): Answer | undefined {
    const recorded = this.#answers.get(id);
    return recorded && (JSON.parse(recorded.text) as Answer);
  }

  /** The command was begun before the agent was restarted and has no answer. */
  isInDoubt(id: CommandId): boolean {
    return this.#begun.has(id);
  }

  /** The cloud has observed this migration here: it is undone and must not go forward any more. */
  isObserved(id: MigrationId): boolean {
    return this.#observed.has(id);
  }

  /** @throws the error of SQLite */
  markObserved(id: MigrationId): void {
    if (this.isObserved(id)) return;
    const atMs = this.#now();
    this.#store.run("INSERT OR REPLACE INTO observed VALUES (?, ?)", id, atMs);
    this.#observed.set(id, { atMs });
  }

  epochOf(vm: VmId): number {
    return this.#epochs.get(vm) ?? 0;
  }

  /**
   * @returns true when the command has a new epoch: then {@link flush} must succeed before it runs
   * @throws the error of SQLite: then the command must not be run
   */
  begin({ id, vm, epoch }: Pick<Command, "id" | "vm" | "epoch">): boolean {
    const isNewEpoch = epoch > this.epochOf(vm);
    const atMs = this.#now();
    this.#store.inTransaction(() => {
      if (isNewEpoch) this.#store.run("INSERT OR REPLACE INTO epochs VALUES (?, ?)", vm, epoch);
      this.#store.run("INSERT OR REPLACE INTO commands VALUES (?, ?, NULL)", id, atMs);
    });
    if (isNewEpoch) this.#epochs.set(vm, epoch);
    this.#begun.set(id, { atMs });
    this.#writes += 1;
    if (this.#writes % PRUNE_EVERY === 0) this.#prune();
    return isNewEpoch;
  }

  /** Resolves when all that was recorded survives a power failure. @throws the file system's error */
  flush(): Promise<void> {
    return this.#store.flush();
  }

  /**
   * Records the answer to a command. That of a command that was begun is kept in memory even when the
   * store cannot take it: a copy of the command must get the same answer.
   *
   * @throws the error of SQLite
   */
  answer(id: CommandId, answer: Answer): void {
    const atMs = this.#now();
    const text = JSON.stringify(answer);
    if (this.#begun.delete(id)) this.#answers.set(id, { atMs, text });
    this.#store.run("INSERT OR REPLACE INTO commands VALUES (?, ?, ?)", id, atMs, text);
    this.#answers.set(id, { atMs, text });
  }

  close(): void {
    this.#store.close();
  }

  /** Deletes what is old. Epochs stay: those of the VMs seen last. */
  #prune(): void {
    const store = this.#store;
    const oldest = this.#now() - KEEP_MS;
    store.inTransaction(() => {
      for (const table of ["commands", "observed"]) {
        store.run(`DELETE FROM ${table} WHERE at_ms < ?`, oldest);
        store.run(
          `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} ORDER BY at_ms DESC LIMIT -1 OFFSET ?)`,
          ROWS_MAX,
        );
      }
      store.run(
        "DELETE FROM epochs WHERE rowid IN (SELECT rowid FROM epochs ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
        ROWS_MAX,
      );
    });
    dropOld(this.#answers, oldest);
    dropOld(this.#begun, oldest);
    dropOld(this.#observed, oldest);
  }

  #read(): void {
    const store = this.#store;
    const noted = store.get("SELECT * FROM meta WHERE name = ?", FIRST_REGISTERED);
    if (noted) this.#firstRegistered = store.parse(FirstRegistered, store.json(noted, "value"));
    for (const row of store.all(CommandRow, "SELECT * FROM commands ORDER BY at_ms")) {
      const { id, at_ms: atMs, answer: text } = row;
      if (text === null) this.#begun.set(id, { atMs });
      else {
        store.parse(Answer, store.json(row, "answer"));
        this.#answers.set(id, { atMs, text });
      }
    }
    for (const { id, at_ms: atMs } of store.all(
      ObservedRow,
      "SELECT * FROM observed ORDER BY at_ms",
    )) {
      this.#observed.set(id, { atMs });
    }
    for (const { vm, epoch } of store.all(EpochRow, "SELECT vm, epoch FROM epochs")) {
      this.#epochs.set(vm, epoch);
    }
  }

  #import(path: string): void {
    const old = readOldJournal(path, OldEntry);
    if (old === undefined) return;
    this.#store.inTransaction(() => {
      for (const entry of old.entries) this.#importEntry(entry);
    });
    old.finish();
  }

  #importEntry(entry: OldEntry): void {
    const insert = "INSERT OR REPLACE INTO commands VALUES (?, ?, ?)";
    if ("begun" in entry) this.#store.run(insert, entry.begun, entry.atMs, null);
    else if ("answered" in entry) {
      this.#store.run(insert, entry.answered, entry.atMs, JSON.stringify(entry.answer));
    } else if ("observed" in entry) {
      this.#store.run("INSERT OR REPLACE INTO observed VALUES (?, ?)", entry.observed, entry.atMs);
    } else {
      this.#store.run("INSERT OR REPLACE INTO epochs VALUES (?, ?)", entry.vm, entry.epoch);
    }
  }
}

/** The entries are in the order of their age. */
function dropOld<Id>(map: Map<Id, { atMs: number }>, oldestMs: number): void {
  for (const [id, { atMs }] of map) {
    if (atMs >= oldestMs && map.size <= ROWS_MAX) return;
    map.delete(id);
  }
}
