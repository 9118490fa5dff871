import { join } from "node:path";
import { type VmId, VmId as VmIdSchema } from "../../core/id.ts";
import { JournalFile, warnOfSkipped } from "../durable/journal.ts";
import type { Log } from "../runtime/log.ts";
import { Manifest } from "./manifest.ts";

/** `restarted`: the VM has a process on this host again. */
type Entry = { exited: Manifest } | { restarted: VmId };

const KEPT_MAX = 1_000;

/**
 * Manifests of processes that have ended. The cloud queries them to find out where a guest is. That a
 * guest has run on this host must never be forgotten, not by a restart of the agent either.
 */
export class ExitedGuests {
  readonly #journal: JournalFile<Entry>;
  readonly #log: Log;
  readonly #manifests = new Map<VmId, Manifest>();

  constructor(stateDir: string, log: Log) {
    this.#log = log;
    this.#journal = new JournalFile(join(stateDir, "exited.jsonl"), () => this.#live());
    for (const entry of this.#journal.open()) this.#apply(entry);
    warnOfSkipped(this.#journal.skippedLines, "the journal of exited guests", log);
  }

  get(vm: VmId): Manifest | undefined {
    return this.#manifests.get(vm);
  }

  add(manifest: Manifest): void {
    this.#write({ exited: withoutSecret(manifest) });
  }

  /** The VM has a process on this host again. */
  remove(vm: VmId): void {
    if (this.#manifests.has(vm)) this.#write({ restarted: vm });
  }

  close(): void {
    this.#journal.close();
  }

  #write(entry: Entry): void {
    this.#apply(entry);
    try {
      this.#journal.append(entry);
    } catch (error) {
      this.#log.error({ error }, "the end of a guest could not be recorded");
    }
  }

  #apply(entry: Entry): void {
    if ("restarted" in entry) {
      this.#manifests.delete(VmIdSchema.parse(entry.restarted));
      return;
    }
    const { success, data: manifest } = Manifest.safeParse(entry.exited);
    if (!success) return;
    this.#manifests.delete(manifest.vm);
    this.#manifests.set(manifest.vm, manifest);
    const [oldest] = this.#manifests.keys();
    if (oldest !== undefined && this.#manifests.size > KEPT_MAX) this.#manifests.delete(oldest);
  }

  *#live(): Iterable<Entry> {
    for (const exited of this.#manifests.values()) yield { exited };
  }
}

function withoutSecret(manifest: Manifest): Manifest {
  if (!manifest.migration) return manifest;
  const { handover: _, ...migration } = manifest.migration;
  return { ...manifest, migration };
}
