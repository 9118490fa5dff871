import { join } from "node:path";
import * as z from "zod";
import { VmId } from "../../core/id.ts";
import { readOldJournal } from "../durable/old-journal.ts";
import { AgentStore } from "../durable/store.ts";
import type { Log } from "../runtime/log.ts";
import { bootId } from "../runtime/process.ts";
import { Manifest } from "./manifest.ts";

const ExitedRow = z.object({ manifest: z.string(), boot_id: z.string().nullable() });
const OldEntry = z.union([
  z.strictObject({ exited: Manifest }),
  z.strictObject({ restarted: VmId }),
]);

/** The manifest of a process that has ended. */
export type Exited = {
  readonly manifest: Manifest;
  /**
   * The agent saw this process end, or is of the same boot. Else the host has crashed meanwhile, and
   * the manifest may lack the last facts.
   */
  readonly isWhole: boolean;
};

const KEPT_MAX = 1_000;

/**
 * Manifests of processes that have ended. The cloud queries them to find out where a guest is. That a
 * guest has run on this host must never be forgotten, not by a restart of the agent either.
 */
export class ExitedGuests {
  readonly #store: AgentStore;
  readonly #log: Log;
  readonly #exited = new Map<VmId, Exited>();

  /** @throws DamagedStoreError, or Error when the store cannot be opened */
  constructor(stateDir: string, log: Log) {
    this.#log = log;
    this.#store = new AgentStore(stateDir);
    this.#import(join(stateDir, "exited.jsonl"));
    const rows = this.#store.all(ExitedRow, "SELECT * FROM exited ORDER BY rowid");
    for (const row of rows) {
      const manifest = this.#store.parse(Manifest, this.#store.json(row, "manifest"));
      this.#keep(manifest, row.boot_id ?? undefined);
    }
  }

  get(vm: VmId): Exited | undefined {
    return this.#exited.get(vm);
  }

  add(manifest: Manifest): void {
    this.#keep(withoutSecret(manifest), bootId());
    this.#write(() => this.#insert(manifest, bootId()));
    this.#store.flush().catch((error: unknown) => this.#log.error({ error }, UNWRITTEN));
  }

  /** The VM has a process on this host again. */
  remove(vm: VmId): void {
    if (!this.#exited.delete(vm)) return;
    this.#write(() => this.#store.run("DELETE FROM exited WHERE vm = ?", vm));
  }

  close(): void {
    this.#store.close();
  }

  #keep(manifest: Manifest, recordedIn: string | undefined): void {
    const isWhole = manifest.bootId === undefined || manifest.bootId === recordedIn;
    this.#exited.delete(manifest.vm);
    this.#exited.set(manifest.vm, { manifest, isWhole });
    const [oldest] = this.#exited.keys();
    if (oldest !== undefined && this.#exited.size > KEPT_MAX) this.#exited.delete(oldest);
  }

  #insert(manifest: Manifest, recordedIn: string | null): void {
    const text = JSON.stringify(withoutSecret(manifest));
    const insert = "INSERT OR REPLACE INTO exited VALUES (?, ?, ?)";
    this.#store.run(insert, manifest.vm, text, recordedIn);
    const newest = "SELECT rowid FROM exited ORDER BY rowid DESC LIMIT -1 OFFSET ?";
    this.#store.run(`DELETE FROM exited WHERE rowid IN (${newest})`, KEPT_MAX);
  }

  #write(write: () => void): void {
    try {
      this.#store.inTransaction(write);
    } catch (error) {
      this.#log.error({ error }, UNWRITTEN);
    }
  }

  #import(path: string): void {
    const old = readOldJournal(path, OldEntry, this.#log);
    if (old === undefined) return;
    this.#store.inTransaction(() => {
      for (const entry of old.entries) {
        if ("exited" in entry) this.#insert(entry.exited, entry.exited.bootId ?? null);
        else this.#store.run("DELETE FROM exited WHERE vm = ?", entry.restarted);
      }
    });
    old.finish();
  }
}

const UNWRITTEN = "the end of a guest could not be recorded";

function withoutSecret(manifest: Manifest): Manifest {
  if (!manifest.migration) return manifest;
  const { handover: _, ...migration } = manifest.migration;
  return { ...manifest, migration };
}
