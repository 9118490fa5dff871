import * as z from "zod";
import { MigrationId, VmId } from "../../core/id.ts";
import { AgentStore } from "../durable/store.ts";
import type { Log } from "../runtime/log.ts";
import { bootId } from "../runtime/process.ts";
import type { Manifest } from "./manifest.ts";

const Memory = z.strictObject({
  vm: VmId,
  side: z.enum(["source", "target"]),
  /** The boot of this host in which the newest of these facts was recorded. */
  bootId: z.string(),
  permittedToRun: z.boolean(),
  contSent: z.boolean(),
  arrived: z.boolean(),
  runRefused: z.string().optional(),
  saidCompleted: z.boolean(),
  handedOver: z.boolean(),
});
export type Memory = z.infer<typeof Memory>;

const MemoryRow = z.object({ id: MigrationId, memory: z.string() });
const KEPT_MAX = 10_000;

/**
 * Which migrations this host took part in, and what it did: also when the manifest is lost with the run
 * directory. Without it a host that has forgotten would look like one that was never asked.
 */
export class MigrationMemory {
  readonly #store: AgentStore;
  readonly #log: Log;

  /** @throws DamagedStoreError, or Error when the store cannot be opened */
  constructor(stateDir: string, log: Log) {
    this.#store = new AgentStore(stateDir);
    this.#log = log;
    this.#store.all(MemoryRow, "SELECT * FROM migrations").map((row) => this.#parse(row));
  }

  /** @throws DamagedStoreError */
  find(id: MigrationId): Memory | undefined {
    const [row] = this.#store.all(MemoryRow, "SELECT * FROM migrations WHERE id = ?", id);
    return row && this.#parse(row);
  }

  /**
   * Records that this host takes part in a migration. It survives a power failure when this resolves.
   *
   * @throws the error of SQLite or the file system: then the host must not take part
   */
  async begin(id: MigrationId, vm: VmId, side: Memory["side"]): Promise<void> {
    if (this.find(id) === undefined) {
      const not = { permittedToRun: false, contSent: false, arrived: false };
      const none = { saidCompleted: false, handedOver: false };
      this.#write(id, { vm, side, bootId: bootId(), ...not, ...none });
    }
    await this.#store.flush();
  }

  /** Records what the process of a guest did in its last migration; it is flushed meanwhile. */
  record({ vm, migration, permittedToRun, contSent, arrived, runRefused }: Manifest): void {
    if (migration === undefined) return;
    const { id, side } = migration;
    try {
      this.#write(id, {
        vm,
        side,
        bootId: bootId(),
        permittedToRun,
        contSent,
        arrived,
        ...(runRefused === undefined ? {} : { runRefused }),
        saidCompleted: migration.saidCompletedAtMs !== undefined,
        handedOver: migration.handedOverAtMs !== undefined,
      });
    } catch (error) {
      this.#onUnwritten(error);
      return;
    }
    this.#store.flush().catch((error: unknown) => this.#onUnwritten(error));
  }

  /** Empties the store's log when it has grown. `isQuiet`: no guest is in a migration. */
  checkpoint(isQuiet: boolean): void {
    this.#store.checkpoint(isQuiet);
  }

  close(): void {
    this.#store.close();
  }

  #onUnwritten(error: unknown): void {
    this.#log.error({ error }, "what a guest did in its migration could not be recorded");
  }

  #write(id: MigrationId, memory: Memory): void {
    this.#store.inTransaction(() => {
      const text = JSON.stringify(memory);
      this.#store.run("INSERT OR REPLACE INTO migrations VALUES (?, ?)", id, text);
      const newest = "SELECT rowid FROM migrations ORDER BY rowid DESC LIMIT -1 OFFSET ?";
      this.#store.run(`DELETE FROM migrations WHERE rowid IN (${newest})`, KEPT_MAX);
    });
  }

  #parse(row: z.infer<typeof MemoryRow>): Memory {
    return this.#store.parse(Memory, this.#store.json(row, "memory"));
  }
}
