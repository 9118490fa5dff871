import { join } from "node:path";
import type { CommandId, MigrationId, VmId } from "../../core/id.ts";
import type { Command, CommandError } from "../../core/protocol/command.ts";
import { JournalFile } from "../durable/journal.ts";

export type Answer = { result: unknown } | { error: CommandError };

type Entry =
  | { begun: CommandId; atMs: number }
  | { answered: CommandId; atMs: number; answer: Answer }
  | { vm: VmId; epoch: number }
  | { observed: MigrationId; atMs: number };

/** How long answers are kept: longer than a command can stay in the queue. */
const KEEP_MS = 24 * 3600 * 1000;

/**
 * The agent's durable memory of commands: recorded answers for repeated ones, the newest epoch of each
 * VM, and which ones had begun when the agent died.
 */
export class CommandLog {
  readonly #journal: JournalFile<Entry>;
  readonly #answers = new Map<CommandId, { atMs: number; answer: Answer }>();
  readonly #begun = new Map<CommandId, number>();
  readonly #observed = new Map<MigrationId, number>();
  readonly #epochs = new Map<VmId, number>();
  readonly #now: () => number;

  constructor(stateDir: string, now: () => number = Date.now) {
    this.#now = now;
    this.#journal = new JournalFile(join(stateDir, "commands.jsonl"), () => this.#live());
    for (const entry of this.#journal.open()) this.#apply(entry);
  }

  /** Lines of the journal that could not be read. */
  get skippedLines(): number {
    return this.#journal.skippedLines;
  }

  answerOf(id: CommandId): Answer | undefined {
    return this.#answers.get(id)?.answer;
  }

  /** The command was begun before the agent was restarted and has no answer. */
  isInDoubt(id: CommandId): boolean {
    return this.#begun.has(id);
  }

  /** The cloud has observed this migration here: it is undone and must not go forward any more. */
  isObserved(id: MigrationId): boolean {
    return this.#observed.has(id);
  }

  /** @throws the file system's error */
  markObserved(id: MigrationId): void {
    if (!this.isObserved(id)) this.#write({ observed: id, atMs: this.#now() });
  }

  epochOf(vm: VmId): number {
    return this.#epochs.get(vm) ?? 0;
  }

  /** @throws the file system's error: then the command must not be run */
  begin(command: Command): void {
    if (command.epoch > this.epochOf(command.vm)) {
      this.#write({ vm: command.vm, epoch: command.epoch });
    }
    this.#write({ begun: command.id, atMs: this.#now() });
  }

  /**
   * Records the answer to a command. That of a command that was begun is kept in memory even when the
   * journal cannot take it: a copy of the command must get the same answer.
   *
   * @throws the file system's error
   */
  answer(id: CommandId, answer: Answer): void {
    const entry: Entry = { answered: id, atMs: this.#now(), answer };
    if (this.#begun.has(id)) this.#apply(entry);
    this.#write(entry);
  }

  close(): void {
    this.#journal.close();
  }

  #write(entry: Entry): void {
    this.#journal.append(entry);
    this.#apply(entry);
  }

  #apply(entry: Entry): void {
    if ("begun" in entry) this.#begun.set(entry.begun, entry.atMs);
    if ("answered" in entry) {
      this.#begun.delete(entry.answered);
      this.#answers.set(entry.answered, { atMs: entry.atMs, answer: entry.answer });
    }
    if ("observed" in entry) this.#observed.set(entry.observed, entry.atMs);
    if ("vm" in entry) this.#epochs.set(entry.vm, entry.epoch);
  }

  *#live(): Iterable<Entry> {
    const oldest = this.#now() - KEEP_MS;
    for (const [vm, epoch] of this.#epochs) yield { vm, epoch };
    for (const [id, atMs] of this.#observed) {
      if (atMs < oldest) this.#observed.delete(id);
      else yield { observed: id, atMs };
    }
    for (const [id, { atMs, answer }] of this.#answers) {
      if (atMs < oldest) this.#answers.delete(id);
      else yield { answered: id, atMs, answer };
    }
    for (const [id, atMs] of this.#begun) {
      if (atMs < oldest) this.#begun.delete(id);
      else yield { begun: id, atMs };
    }
  }
}
