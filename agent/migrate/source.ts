import type { ClimbedRung } from "../../core/convergence/ladder.ts";
import type { MigrationId } from "../../core/id.ts";
import type { ArgsOf, ResultOf } from "../../core/protocol/command.ts";
import type { Progress } from "../../core/protocol/event.ts";
import { isFinalStatus, isIdleStatus, UNTOUCHED_STATUS } from "../../core/qemu/migration-status.ts";
import { DOWNTIME_LIMIT_MS } from "../../core/qemu/parameters.ts";
import type { QmpEvent } from "../../qmp/events.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { createTell, type Word } from "../guest/emit.ts";
import type { Guest } from "../guest/guest.ts";
import type { MigrationHooks } from "../hooks/migration-hooks.ts";
import type { Log } from "../runtime/log.ts";
import { AckWatch } from "./ack-watch.ts";
import { Alarms } from "./alarms.ts";
import { cancelAndWait, refuseInPostcopy } from "./cancel.ts";
import { FloodControl } from "./flood-control.ts";
import { Gate } from "./gate.ts";
import { HandoverClient } from "./handover.ts";
import { Ladder } from "./ladder.ts";
import { LinkBandwidth } from "./link-bandwidth.ts";
import { forget } from "./memory.ts";
import { hasConverged, toFigures, toProgress } from "./progress.ts";
import { restoreParameters } from "./settings.ts";
import { SourcePostcopy } from "./source-postcopy.ts";
import {
  HANDED_OVER,
  mayHaveStarted,
  readBefore,
  type SourceOptions,
  setUpSource,
} from "./source-setup.ts";
import { TlsCredentials } from "./tls.ts";

/** How often QEMU is asked for figures while it migrates. */
const ASK_MS = 500;
/** The target's `cont` is a matter of milliseconds; after this the cloud decides. */
const HANDOVER_MS = 3_000;
/**
 * The source's reflexes in one migration. They need no cloud:
 *
 *   trace line of the ACK   → tell
 *   pre-switchover          → migrate-continue, at once (the guest is stopped already)
 *   STOP                    → tell; the downtime runs
 *   completed               → handover link: the target may run; then figures, then tell
 *   failed, cancelled       → QEMU has let the guest run again; tell
 *   deadline                → migrate_cancel
 *   gate                    → hold when converged and acknowledged, the guest running; tell
 */
export class SourceMigration {
  readonly id: MigrationId;
  readonly epoch: number;
  readonly #guest: Guest;
  readonly #tell: (word: Word, atMs?: number) => void;
  readonly #log: Log;
  readonly #progressIntervalMs: number;
  readonly #flood: FloodControl;
  readonly #tls: TlsCredentials;
  readonly #hooks: MigrationHooks;
  readonly postcopy: SourcePostcopy;
  readonly #over = Promise.withResolvers<string>();
  readonly #unsubscribe: (() => void)[] = [];
  readonly #alarms = new Alarms();
  #link: HandoverClient | undefined;
  #before: Awaited<ReturnType<typeof readBefore>> | undefined;
  #bandwidth: LinkBandwidth | undefined;
  #gate: Gate | undefined;
  #ladder: Ladder | undefined;
  #ackWatch: AckWatch | undefined;
  #overdue: string | undefined;
  #lastProgressMs = 0;
  #bestBytesPerSecond: number | undefined;
  #asking = false;
  /** The agent lets go of it: not one more word, the next life of the agent goes on. */
  #closed = false;
  #said = { converged: false, acked: false, held: false, stopped: false, ended: false };

  constructor(options: SourceOptions) {
    this.id = options.id;
    this.epoch = options.epoch;
    this.#guest = options.guest;
    this.#tell = createTell(options);
    this.postcopy = new SourcePostcopy(options.guest, this.#tell);
    this.#log = options.log.child({ migrationId: options.id, side: "source" });
    this.#progressIntervalMs = options.progressIntervalMs;
    this.#flood = new FloodControl(options.guest, this.#log);
    this.#tls = new TlsCredentials("source", options, this.#log);
    this.#hooks = options.hooks;
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
   * @throws CommandRefusedError, QmpError: nothing has been started then; but when QEMU did not
   *   answer `migrate` in time it is unknown, and the migration goes on being watched.
   */
  async start(args: ArgsOf<"source.start">): Promise<void> {
    try {
      await this.#setUp(args);
      await this.#guest.qmp.execute("migrate", { uri: args.migrationUri });
    } catch (error) {
      if (mayHaveStarted(error)) this.#clockwork();
      else this.#end("not-started");
      throw error;
    }
    this.#tell({ type: "migration.started" });
    this.#clockwork();
  }

  async #setUp(args: ArgsOf<"source.start">): Promise<void> {
    const handover = { ...args.handover, key: args.handoverKey };
    await this.#hooks.prepare(handover.address);
    const reading = readBefore(this.#guest, args);
    reading.catch(() => undefined);
    // Before anything else: without it nothing is changed in QEMU.
    this.#link = await HandoverClient.connect(handover, this.id);
    if (this.#closed) this.#link.close();
    this.#before = await reading;
    await this.#tls.make(args);
    await setUpSource(this.#guest, this, args, this.#before, this.#log);
    this.#standUp();
    await this.#gate?.hold();
  }

  /** Goes on with a migration of an earlier life of this agent. */
  async reattach(): Promise<void> {
    const memory = this.#guest.manifest.migration;
    if (memory?.handover) this.#link = HandoverClient.resume(memory.handover, this.id);
    this.#standUp();
    this.#gate?.reattach();
    this.#clockwork();
    // The agent's earlier life may have calmed it, and may have missed the end of the hold.
    this.#flood.restore();
    // Not waited for: QEMU may be silent for as long as its downtime takes.
    void this.#look();
  }

  /** All that watches and acts, from what is written down. */
  #standUp(): void {
    const memory = this.#guest.manifest.migration;
    if (memory?.logOffset !== undefined) this.#watchAck(memory.logOffset);
    this.#bandwidth = new LinkBandwidth(this.#guest, this.#log, memory?.linkBytesPerSecond);
    const limitMs = memory?.downtimeLimitMs ?? DOWNTIME_LIMIT_MS;
    const [guest, log, link, flood] = [this.#guest, this.#log, this.#bandwidth, this.#flood];
    if (memory?.gate) this.#gate = new Gate({ guest, log, limitMs, link, flood });
    const onRung = (rung: ClimbedRung) => this.#tell({ type: "migration.rung", ...rung });
    this.#ladder = Ladder.of(this.#guest, onRung);
    this.#listen();
  }

  /**
   * Leave to switch over. Given again, or to a migration that does not hold, it changes nothing.
   *
   * @throws QmpError: then it holds still.
   */
  async release(by: "command" | "time"): Promise<void> {
    if (this.ended || !(await this.#gate?.release())) return;
    this.#tell({ type: "migration.gate-opened", by });
  }

  /** @throws QmpError; CommandRefusedError when it is over. */
  async limit(args: ArgsOf<"source.set">): Promise<ResultOf<"source.set">> {
    if (this.ended) throw new CommandRefusedError("refused", "The migration is over");
    const maxBandwidthBytesPerSecond = await this.#flood.limit(args);
    this.#tell({ type: "migration.bandwidth-set", maxBandwidthBytesPerSecond });
    return { maxBandwidthBytesPerSecond };
  }

  /** Cancels and waits for the end, whichever it is. Never in postcopy: 7.2 would lose the guest. */
  async cancel(): Promise<string> {
    const { status = "none" } = await this.#guest.qmp.execute("query-migrate");
    refuseInPostcopy(status, this.postcopy.isBegun);
    if (isFinalStatus(status)) await this.#look();
    else if (status === UNTOUCHED_STATUS) this.#end("not-started");
    else return cancelAndWait(this.#guest.qmp, this.#over.promise);
    return status;
  }

  /** Stops watching without a word: the agent shuts down, QEMU goes on. */
  close(): void {
    this.#closed = true;
    this.#letGo();
    this.#over.resolve("closed");
  }

  #letGo(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#alarms.clear();
    this.#ackWatch?.close();
    this.#link?.close();
  }

  #watchAck(offset: number): void {
    try {
      this.#ackWatch = new AckWatch(this.#guest.logPath, offset, ({ pending, atMs }) => {
        if (pending === 0) this.#said.acked = true;
        // A gate goes on holding, and the passes go on.
        if (pending === 0 && !this.#gate?.isHolding) this.#flood.release();
        this.#tell({ type: "migration.acked", evidence: "trace", pending }, atMs);
      });
    } catch (error) {
      this.#log.warn({ error }, "QEMU's log cannot be followed");
    }
  }

  #listen(): void {
    const { monitor } = this.#guest;
    this.#unsubscribe.push(
      monitor.on("MIGRATION", (event) => this.#onStatus(event.data.status, event)),
      monitor.on("MIGRATION_PASS", ({ count }) => {
        // Only an ACK that will be seen, or a gate, is known to hold it, and when the hold is over.
        const { linkBytesPerSecond = this.#bestBytesPerSecond } =
          this.#guest.manifest.migration ?? {};
        if (this.#ackWatch || this.#gate?.isHolding)
          this.#flood.onPasses(count, linkBytesPerSecond);
      }),
      monitor.on("STOP", (event) => this.#onStop(event.timestampMs)),
      monitor.onReturn(() => void this.#look()),
    );
    void this.#guest.ended.then(() => this.#onGone());
  }

  #onStop(atMs: number): void {
    if (this.#said.stopped || this.ended) return;
    this.#said.stopped = true;
    this.#ackWatch?.poll();
    this.#tell({ type: "migration.stopped" }, atMs);
  }

  #onStatus(status: string, event: QmpEvent): void {
    if (this.ended) return;
    if (this.postcopy.onStatus(status, event.timestampMs)) this.#handOver();
    if (status === "pre-switchover") this.#continue();
    else if (status === "completed") void this.#onCompleted(event.timestampMs);
    else if (status === "failed" || status === "cancelled") void this.#onFailed(status);
  }

  /** The guest is stopped: nobody but the host's own hook is asked here. */
  #continue(): void {
    const { qmp } = this.#guest;
    const refused = (error: unknown) => this.#log.warn({ error }, "migrate-continue was refused");
    const state = { state: "pre-switchover" } as const;
    const go = () => void qmp.execute("migrate-continue", state).catch(refused);
    // A guest must not stay stopped: where it is too late to go back it goes on.
    this.#hooks.preSwitchover(go, () => void this.cancel().catch(go));
  }

  /** The target's guest stands still until it hears this; told again when the link comes back. */
  #handOver(): void {
    this.#link?.postcopy(this.#guest.manifest.migration?.wasRunning ?? true);
  }

  async #onCompleted(atMs: number): Promise<void> {
    if (this.#said.ended) return;
    this.#said.ended = true;
    // First of all the target: the guest stands still until it hears this.
    const wasRunning = this.#guest.manifest.migration?.wasRunning ?? true;
    const handing = this.#link?.completed(wasRunning, HANDOVER_MS) ?? Promise.resolve(false);
    const [handedOver, info] = await Promise.all([
      handing,
      this.#guest.qmp.execute("query-migrate").catch(() => undefined),
    ]);
    if (this.#closed) return;
    const figures = toFigures(info);
    this.#tell({ type: "migration.source-completed", handedOver, figures }, atMs);
    this.#end("completed");
  }

  async #onFailed(status: string): Promise<void> {
    if (this.#said.ended) return;
    this.#said.ended = true;
    const info = await this.#guest.qmp.execute("query-migrate").catch(() => undefined);
    if (this.#closed) return;
    const gaveUp = this.#ladder?.gaveUp;
    const why = this.#hooks.aborted ?? gaveUp ?? this.#overdue ?? info?.["error-desc"] ?? "";
    const errorDescription = why.slice(0, 4_000);
    const code = gaveUp === undefined ? {} : ({ code: "no-convergence" } as const);
    this.#tell({ type: "migration.failed", side: "source", status, errorDescription, ...code });
    this.#end(status);
  }

  #onGone(): void {
    if (this.ended || this.#closed) return;
    const errorDescription = `The source's QEMU has ended: ${this.#guest.lastWords()}`;
    this.#tell({ type: "migration.failed", side: "source", status: "exited", errorDescription });
    this.#end("exited");
  }

  #clockwork(): void {
    const { deadlineAtMs, gate } = this.#guest.manifest.migration ?? {};
    this.#alarms.every(ASK_MS, () => void this.#look());
    this.#alarms.every(this.#progressIntervalMs, () => this.#beat());
    this.#alarms.at(deadlineAtMs, () => this.#onDeadline());
    const held = (error: unknown) => this.#log.error({ error }, "cannot lift the hold in time");
    this.#alarms.at(gate?.permitAtMs, () => void this.release("time").catch(held));
  }

  #onDeadline(): void {
    if (this.ended || this.#said.stopped) return;
    this.#overdue = "the precopy deadline has passed";
    this.#log.warn(`${this.#overdue}: cancelling`);
    this.cancel().catch((error: unknown) => this.#log.error({ error }, "cannot cancel"));
  }

  /** QEMU does not answer during most of the downtime: then there are no new figures, no more. */
  async #look(): Promise<void> {
    if (this.#asking || this.ended || this.#closed) return;
    this.#asking = true;
    try {
      this.#ackWatch?.poll();
      const info = await this.#guest.qmp.execute("query-migrate", {}, { timeoutMs: 60_000 });
      const progress = toProgress(info);
      if (this.ended || this.#closed) return;
      // Events can be missed while the agent was away; the status cannot.
      if (isIdleStatus(progress.status)) {
        return await this.#onMissedEnd(progress.status);
      }
      if (progress.status === "pre-switchover") this.#continue();
      if (this.postcopy.onStatus(progress.status)) this.#handOver();
      if ((progress.dirtySyncCount ?? 0) > 1) void this.#bandwidth?.apply();
      const rate = progress.bandwidthBytesPerSecond ?? 0;
      if (rate > (this.#bestBytesPerSecond ?? 0)) this.#bestBytesPerSecond = rate;
      const limit = this.#guest.manifest.migration?.downtimeLimitMs ?? DOWNTIME_LIMIT_MS;
      if (!this.#said.converged && hasConverged(progress, limit, this.#gate?.isHolding)) {
        this.#said.converged = true;
        this.#tell({ type: "migration.converged" });
      }
      this.#gate?.look(progress, this.#bestBytesPerSecond);
      this.#lookWhetherHeld();
      if (await this.#hasGivenUp(progress, limit)) await this.cancel();
      if (Date.now() - this.#lastProgressMs < this.#progressIntervalMs) return;
      this.#lastProgressMs = Date.now();
      this.#tell({ type: "migration.progress", progress });
    } catch (error) {
      this.#log.debug({ error }, "no figures from QEMU");
    } finally {
      this.#asking = false;
    }
  }

  /** All but the last of it is over there: from here on it waits for leave. */
  #lookWhetherHeld(): void {
    const isAtGate = this.#gate?.isHolding && this.#gate.isSettled;
    const isReady = isAtGate && this.#said.converged && this.#isAcked();
    if (this.#said.held || !isReady) return;
    this.#said.held = true;
    this.#tell({ type: "migration.held" });
  }

  /** Or nobody can tell: then it is not waited for. */
  #isAcked(): boolean {
    const { ackExpected } = this.#guest.manifest.migration ?? {};
    return this.#said.acked || !ackExpected || this.#ackWatch === undefined;
  }

  /** Neither a gate nor an ACK keeps it from switching over, only dirty memory: that is climbed for. */
  async #hasGivenUp(progress: Progress, limitMs: number): Promise<boolean> {
    const isPrecopy = progress.status === "active" && !this.#said.stopped;
    const isHeld = this.#gate?.isHolding === true || !this.#isAcked();
    return isPrecopy && !isHeld && (await this.#ladder?.look(progress, limitMs)) === true;
  }

  async #onMissedEnd(status: string): Promise<void> {
    if (status !== "completed") return this.#onFailed(status);
    const { status: runState } = await this.#guest.qmp.execute("query-status");
    // Of an earlier migration, whose guest was let run again: this one has never begun.
    if (!HANDED_OVER.has(runState)) return this.#onFailed("none");
    return this.#onCompleted(Date.now());
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
    this.#letGo();
    if (status !== "completed") this.#hooks.failed();
    if (status === "exited") return;
    // The next migration of this process finds it as this one did.
    const before = this.#before?.parameters ?? this.#guest.manifest.migration?.before ?? {};
    if (status !== "completed") this.#flood.stop();
    if (status !== "completed") void restoreParameters(this.#guest.qmp, before, this.#log);
    void this.#gate?.cleanUp();
    this.#tls.remove();
    forget(this.#guest, this.id, this.#log);
  }
}
