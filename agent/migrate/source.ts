import type { ArgsOf } from "../../core/command.ts";
import type { EventBody } from "../../core/event.ts";
import type { MigrationId } from "../../core/id.ts";
import { CommandRefusedError } from "../command-error.ts";
import type { Guest } from "../guest/guest.ts";
import type { Log } from "../log.ts";
import { QmpTimeoutError } from "../qmp/error.ts";
import type { QmpEvent } from "../qmp/events.ts";
import { ACK_TRACE, AckWatch } from "./ack-watch.ts";
import { FloodControl } from "./flood-control.ts";
import { HandoverClient } from "./handover.ts";
import { hasConverged, toProgress } from "./progress.ts";
import { applySettings } from "./settings.ts";

export type Emit = (body: EventBody, atMs?: number) => void;

type SourceOptions = {
  guest: Guest;
  id: MigrationId;
  epoch: number;
  emit: Emit;
  log: Log;
  progressIntervalMs: number;
};

const OVER = new Set(["completed", "failed", "cancelled"]);
/** QEMU's own default of downtime-limit. */
const DOWNTIME_LIMIT_MS = 300;
/** How often QEMU is asked for figures while it migrates. */
const ASK_MS = 500;
/** The target's `cont` is a matter of milliseconds; after this the cloud decides. */
const HANDOVER_MS = 3_000;
/** After this a migration that stays in `cancelling` has its sockets yanked (facts 1.3). */
const CANCEL_STUCK_MS = 2_000;
const CANCEL_MS = 15_000;

/**
 * The source's reflexes in one migration. They need no cloud:
 *
 *   trace line of the ACK   → tell
 *   pre-switchover          → migrate-continue, at once (the guest is stopped already)
 *   STOP                    → tell; the downtime runs
 *   completed               → handover link: the target may run; then figures, then tell
 *   failed, cancelled       → QEMU has let the guest run again; tell
 *   deadline                → migrate_cancel
 */
export class SourceMigration {
  readonly id: MigrationId;
  readonly epoch: number;
  readonly #guest: Guest;
  readonly #emit: Emit;
  readonly #log: Log;
  readonly #progressIntervalMs: number;
  readonly #flood: FloodControl;
  readonly #over = Promise.withResolvers<string>();
  readonly #unsubscribe: (() => void)[] = [];
  #link: HandoverClient | undefined;
  #ackWatch: AckWatch | undefined;
  #timers: NodeJS.Timeout[] = [];
  #lastProgressMs = 0;
  #bestBytesPerSecond: number | undefined;
  #asking = false;
  #said = { converged: false, stopped: false, ended: false };

  constructor(options: SourceOptions) {
    this.id = options.id;
    this.epoch = options.epoch;
    this.#guest = options.guest;
    this.#emit = options.emit;
    this.#log = options.log.child({ migrationId: options.id, role: "source" });
    this.#progressIntervalMs = options.progressIntervalMs;
    this.#flood = new FloodControl(options.guest.qmp, this.#log);
  }

  get linkUp(): boolean {
    return this.#link?.linkUp ?? false;
  }

  get ended(): boolean {
    return this.#said.ended;
  }

  /**
   * Sets QEMU up and starts the migration.
   *
   * @throws CommandRefusedError, QmpError: nothing has been started then.
   */
  async start(args: ArgsOf<"source.start">): Promise<void> {
    const { qmp } = this.#guest;
    const handover = { ...args.handover, key: args.handoverKey };
    const [link] = await Promise.all([
      HandoverClient.connect(handover, this.id),
      applySettings(qmp, args.settings),
      args.ackExpected ? this.#watchAck() : undefined,
    ]);
    this.#link = link;
    try {
      const limit = args.settings.parameters["downtime-limit"];
      const memory = {
        id: this.id,
        epoch: this.epoch,
        role: "source" as const,
        over: false,
        handover,
        ackExpected: args.ackExpected,
        downtimeLimitMs: typeof limit === "number" ? limit : DOWNTIME_LIMIT_MS,
        deadlineAtMs: Date.now() + args.precopyDeadlineMs,
      };
      this.#guest.note({ migration: memory });
      this.#listen();
      await qmp.execute("migrate", { uri: args.migrationUri });
    } catch (error) {
      this.#end("not-started");
      throw error;
    }
    this.#tell({ type: "migration.started" });
    this.#clockwork();
  }

  /** Goes on with a migration of an earlier life of this agent. */
  async takeUp(): Promise<void> {
    const memory = this.#guest.manifest.migration;
    if (memory?.handover) {
      this.#link = await HandoverClient.connect(memory.handover, this.id, { lazy: true });
    }
    if (memory?.ackExpected) await this.#watchAck();
    this.#listen();
    this.#clockwork();
    await this.#look();
  }

  /** Cancels and waits for the end, whichever it is. Never in postcopy: 7.2 would lose the guest. */
  async cancel(): Promise<string> {
    const { qmp } = this.#guest;
    const { status } = await qmp.execute("query-migrate");
    if (status?.startsWith("postcopy")) {
      throw new CommandRefusedError(
        "refused",
        `Postcopy has begun (${status}): too late to cancel`,
      );
    }
    if (status !== undefined && OVER.has(status)) {
      await this.#look();
      return status;
    }
    await qmp.execute("migrate_cancel");
    const stuck = setTimeout(() => {
      qmp.execute("yank", { instances: [{ type: "migration" }] }).catch(() => undefined);
    }, CANCEL_STUCK_MS);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new QmpTimeoutError("migrate_cancel", CANCEL_MS, true)),
        CANCEL_MS,
      );
    });
    return Promise.race([this.#over.promise, late]).finally(() => {
      clearTimeout(stuck);
      clearTimeout(timer);
    });
  }

  /** Stops watching without a word: the agent shuts down, QEMU goes on. */
  close(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#ackWatch?.close();
    this.#link?.close();
  }

  async #watchAck(): Promise<void> {
    const { qmp, manifest, logPath } = this.#guest;
    try {
      // An adopted QEMU logs to where its owner said, or to stderr.
      if (manifest.adopted) {
        await qmp.execute("human-monitor-command", { "command-line": `logfile ${logPath}` });
      }
      await qmp.execute("trace-event-set-state", { name: ACK_TRACE, enable: true });
      this.#ackWatch = new AckWatch(logPath, ({ pending, atMs }) => {
        if (pending === 0) this.#releaseFlood();
        this.#tell({ type: "migration.acked", evidence: "trace", pending }, atMs);
      });
    } catch (error) {
      // The ACK is still implied by STOP; only the evidence is weaker.
      this.#log.warn({ error }, "the switchover ACK cannot be traced");
    }
  }

  #listen(): void {
    const { qmp } = this.#guest;
    this.#unsubscribe.push(
      qmp.on("MIGRATION", (event) => this.#onStatus(event.data.status, event)),
      qmp.on("MIGRATION_PASS", (event) => {
        this.#flood.onPasses(event.count, this.#bestBytesPerSecond);
      }),
      qmp.on("STOP", (event) => this.#onStop(event.timestampMs)),
    );
    void this.#guest.ended.then((ended) => ended && this.#onGone());
  }

  #releaseFlood(): void {
    this.#flood.release().catch((error: unknown) => {
      this.#log.error({ error }, "the bandwidth cannot be restored");
    });
  }

  #onStop(atMs: number): void {
    if (this.#said.stopped || this.ended) return;
    this.#said.stopped = true;
    this.#ackWatch?.poll();
    this.#tell({ type: "migration.stopped" }, atMs);
  }

  #onStatus(status: string, event: QmpEvent): void {
    if (this.ended) return;
    if (status === "pre-switchover") this.#continue();
    else if (status === "completed") void this.#onCompleted(event.timestampMs);
    else if (status === "failed" || status === "cancelled") void this.#onFailed(status);
  }

  /** The guest is stopped: nothing is asked of anybody here. */
  #continue(): void {
    this.#guest.qmp
      .execute("migrate-continue", { state: "pre-switchover" })
      .catch((error: unknown) => this.#log.error({ error }, "migrate-continue was refused"));
  }

  async #onCompleted(atMs: number): Promise<void> {
    if (this.#said.ended) return;
    this.#said.ended = true;
    // First of all the target: the guest stands still until it hears this.
    const handing = this.#link?.completed(HANDOVER_MS) ?? Promise.resolve(false);
    const [handedOver, info] = await Promise.all([
      handing,
      this.#guest.qmp.execute("query-migrate").catch(() => undefined),
    ]);
    const progress = info === undefined ? { status: "completed" } : toProgress(info);
    this.#tell(
      {
        type: "migration.source-completed",
        handedOver,
        figures: {
          downtimeMs: Number(info?.downtime ?? 0),
          totalTimeMs: Number(info?.["total-time"] ?? 0),
          ...(info?.["setup-time"] === undefined
            ? {}
            : { setupTimeMs: Number(info["setup-time"]) }),
          progress,
        },
      },
      atMs,
    );
    this.#end("completed");
  }

  async #onFailed(status: string): Promise<void> {
    if (this.#said.ended) return;
    this.#said.ended = true;
    const info = await this.#guest.qmp.execute("query-migrate").catch(() => undefined);
    const errorDescription = info?.["error-desc"] ?? "";
    this.#tell({ type: "migration.failed", role: "source", status, errorDescription });
    this.#end(status);
  }

  #onGone(): void {
    if (this.ended) return;
    this.#said.ended = true;
    const errorDescription = `The source's QEMU has ended: ${this.#guest.lastWords()}`;
    this.#tell({ type: "migration.failed", role: "source", status: "gone", errorDescription });
    this.#end("gone");
  }

  #clockwork(): void {
    this.#timers.push(setInterval(() => void this.#look(), ASK_MS));
    this.#timers.push(setInterval(() => this.#beat(), this.#progressIntervalMs));
    const left = (this.#guest.manifest.migration?.deadlineAtMs ?? Number.NaN) - Date.now();
    if (Number.isNaN(left)) return;
    // Longer than setTimeout's 2^31 ms there is no deadline to speak of.
    this.#timers.push(
      setTimeout(() => this.#onDeadline(), Math.min(Math.max(left, 0), 2 ** 31 - 1)),
    );
  }

  #onDeadline(): void {
    if (this.ended || this.#said.stopped) return;
    this.#log.warn("the precopy deadline has passed: cancelling");
    this.cancel().catch((error: unknown) => this.#log.error({ error }, "cannot cancel"));
  }

  /** QEMU does not answer during most of the downtime: then there are no new figures, no more. */
  async #look(): Promise<void> {
    if (this.#asking || this.ended) return;
    this.#asking = true;
    try {
      const info = await this.#guest.qmp.execute("query-migrate", {}, { timeoutMs: 60_000 });
      const progress = toProgress(info);
      if (this.ended) return;
      // Events can be missed while the agent was away; the status cannot.
      if (OVER.has(progress.status)) return this.#onMissedEnd(progress.status);
      if (progress.status === "pre-switchover") this.#continue();
      const rate = progress.bandwidthBytesPerSecond ?? 0;
      if (rate > (this.#bestBytesPerSecond ?? 0)) this.#bestBytesPerSecond = rate;
      const limit = this.#guest.manifest.migration?.downtimeLimitMs ?? DOWNTIME_LIMIT_MS;
      if (!this.#said.converged && hasConverged(progress, limit)) {
        this.#said.converged = true;
        this.#tell({ type: "migration.converged" });
      }
      if (Date.now() - this.#lastProgressMs < this.#progressIntervalMs) return;
      this.#lastProgressMs = Date.now();
      this.#tell({ type: "migration.progress", progress });
    } catch (error) {
      this.#log.debug({ error }, "no figures from QEMU");
    } finally {
      this.#asking = false;
    }
  }

  #onMissedEnd(status: string): void {
    if (status === "completed") void this.#onCompleted(Date.now());
    else void this.#onFailed(status);
  }

  /** Life sign while QEMU is silent. */
  #beat(): void {
    if (this.ended || Date.now() - this.#lastProgressMs < this.#progressIntervalMs * 2) return;
    this.#lastProgressMs = Date.now();
    this.#tell({ type: "migration.progress", progress: { status: "silent" } });
  }

  #end(status: string): void {
    this.#said.ended = true;
    this.#over.resolve(status);
    this.close();
    const memory = this.#guest.manifest.migration;
    if (!memory || memory.id !== this.id || status === "gone") return;
    const { handover: _, ...rest } = memory;
    this.#guest.note({ migration: { ...rest, over: true } });
  }

  #tell(
    body: DistributiveOmit<EventBody & { migrationId: unknown }, Identity>,
    atMs?: number,
  ): void {
    const identity = { migrationId: this.id, vm: this.#guest.vm, epoch: this.epoch };
    this.#emit({ ...body, ...identity } as EventBody, atMs);
  }
}

type Identity = "migrationId" | "vm" | "epoch";
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
