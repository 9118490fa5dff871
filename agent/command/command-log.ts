import { join } from "node:path";
import type { CommandId, MigrationId, VmId } from "../../core/id.ts";
import type { Command, CommandError } from "../../core/protocol/command.ts";
import { JournalFile } from "../durable/journal.ts";

export type Answer = { result: unknown } | { error: CommandError };

type Entry =
  | { begun: CommandId; atMs: number }
  | { answered: CommandId; atMs: number; answer: Answer }
  | { vm: VmId; epoch: number }
  | { lookedInto: MigrationId; atMs: number };

/** Answers are kept this long: longer than a command can stay in the queue. */
const KEEP_MS = 24 * 3600 * 1000;

/**
 * The agent's durable memory of commands: a repeated one gets its recorded answer, one of an older
 * epoch is refused, and one that was begun when the agent died is known to be in doubt.
 */
export class CommandLog {
  readonly #journal: JournalFile<Entry>;
  readonly #answers = new Map<CommandId, { atMs: number; answer: Answer }>();
  readonly #begun = new Map<CommandId, number>();
  readonly #lookedInto = new Map<MigrationId, number>();
  readonly #epochs = new Map<VmId, number>();
  readonly #now: () => number;

  constructor(stateDir: string, now: () => number = Date.now) {
    this.#now = now;
    this.#journal = new JournalFile(join(stateDir, "commands.jsonl"), () => this.#live());
    for (const entry of this.#journal.open()) this.#apply(entry);
  }

  answerOf(id: CommandId): Answer | undefined {
    return this.#answers.get(id)?.answer;
  }

  /** The command was begun in an earlier life of the agent and has no answer. */
  isInDoubt(id: CommandId): boolean {
    return this.#begun.has(id);
  }

  /** The cloud has been told how this migration stands here: it goes back, and not on any more. */
  isLookedInto(id: MigrationId): boolean {
    return this.#lookedInto.has(id);
  }

  /** @throws the file system's error. */
  lookInto(id: MigrationId): void {
    if (!this.isLookedInto(id)) this.#write({ lookedInto: id, atMs: this.#now() });
  }

  epochOf(vm: VmId): number {
    return this.#epochs.get(vm) ?? 0;
  }

  /** @throws the file system's error: then the command must not be carried out. */
  begin(command: Command): void {
    if (command.epoch > this.epochOf(command.vm)) {
      this.#write({ vm: command.vm, epoch: command.epoch });
    }
    this.#write({ begun: command.id, atMs: this.#now() });
  }

  /**
   * What was begun is answered in memory even when the journal cannot take it: a copy of the command
   * must not be told anything else. @throws the file system's error.
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
    if ("lookedInto" in entry) this.#lookedInto.set(entry.lookedInto, entry.atMs);
    if ("vm" in entry) this.#epochs.set(entry.vm, entry.epoch);
  }

  *#live(): Iterable<Entry> {
    const oldest = this.#now() - KEEP_MS;
    for (const [vm, epoch] of this.#epochs) yield { vm, epoch };
    for (const [id, atMs] of this.#lookedInto) {
      if (atMs < oldest) this.#lookedInto.delete(id);
      else yield { lookedInto: id, atMs };
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
