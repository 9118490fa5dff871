import { join } from "node:path";
import { type VmId, VmId as VmIdSchema } from "../../core/id.ts";
import { JournalFile } from "../durable/journal.ts";
import type { Log } from "../runtime/log.ts";
import { Manifest } from "./manifest.ts";

type Entry = { departed: Manifest } | { back: VmId };

const KEPT_MAX = 1_000;

/**
 * Manifests of processes that have ended. The cloud asks for them when it has to find out where a
 * guest is; above all it must never be forgotten that a guest has run here, not by a restart either.
 */
export class Departed {
  readonly #journal: JournalFile<Entry>;
  readonly #log: Log;
  readonly #manifests = new Map<VmId, Manifest>();

  constructor(stateDir: string, log: Log) {
    this.#log = log;
    this.#journal = new JournalFile(join(stateDir, "departed.jsonl"), () => this.#live());
    for (const entry of this.#journal.open()) this.#apply(entry);
  }

  get(vm: VmId): Manifest | undefined {
    return this.#manifests.get(vm);
  }

  add(manifest: Manifest): void {
    this.#write({ departed: withoutSecret(manifest) });
  }

  /** The VM has a process on this host again. */
  back(vm: VmId): void {
    if (this.#manifests.has(vm)) this.#write({ back: vm });
  }

  close(): void {
    this.#journal.close();
  }

  #write(entry: Entry): void {
    this.#apply(entry);
    try {
      this.#journal.append(entry);
    } catch (error) {
      this.#log.error({ error }, "the end of a guest cannot be written down");
    }
  }

  #apply(entry: Entry): void {
    if ("back" in entry) {
      this.#manifests.delete(VmIdSchema.parse(entry.back));
      return;
    }
    const { success, data: manifest } = Manifest.safeParse(entry.departed);
    if (!success) return;
    this.#manifests.delete(manifest.vm);
    this.#manifests.set(manifest.vm, manifest);
    const [oldest] = this.#manifests.keys();
    if (oldest !== undefined && this.#manifests.size > KEPT_MAX) this.#manifests.delete(oldest);
  }

  *#live(): Iterable<Entry> {
    for (const departed of this.#manifests.values()) yield { departed };
  }
}

function withoutSecret(manifest: Manifest): Manifest {
  if (!manifest.migration) return manifest;
  const { handover: _, ...migration } = manifest.migration;
  return { ...manifest, migration };
}
