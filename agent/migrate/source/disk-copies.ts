import { TLS_OBJECT } from "../../../core/negotiate/tls.ts";
import type { Progress } from "../../../core/protocol/event.ts";
import { DOWNTIME_LIMIT_MS } from "../../../core/qemu/parameters.ts";
import { diskRate } from "../../../core/storage-copy/shared-rate.ts";
import type { BlockJob } from "../../../qmp/device.ts";
import { QmpCommandError } from "../../../qmp/error.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import { copyJob, copyNode } from "../../guest/copy-names.ts";
import type { Guest } from "../../guest/guest.ts";
import type { AwakeClock } from "../../runtime/awake-clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { HandoverClient } from "../link/handover-client.ts";
import { refuseLockedCopies } from "./copy-locks.ts";
import { CopyStall } from "./copy-stall.ts";
import type { FloodControl } from "./flood-control.ts";
import type { DiskFigures } from "./progress.ts";
import {
  copyJobs,
  removeCopies,
  removeCopyNode,
  removeCopyNodes,
  yankCopies,
} from "./remove-copies.ts";
import type { SourceInput } from "./state.ts";

/** For the target's agent to open its exports: it may be busy with the start of the stream. */
const OPEN_MS = 20_000;
/** The guest waits meanwhile: QEMU's main loop does, and yank cannot end it (block/nbd.c, nbd_open). */
const OPEN_NODE_SECONDS = 3;
/** The guest is stopped meanwhile: after this it runs again here. */
const FINISH_MS = 10_000;
const CLOSE_MS = 5_000;
/** A job is left to run while another process has a lock on its image: its end would end QEMU. */
const LOCKED_MS = 600_000;
/** A QEMU that has not answered for so long may wait for a copy: its connections are cut. */
const SILENT_MS = 10_000;
/** The copy begins after this also when nobody said that the stream has begun: an agent restarted. */
const UNTOLD_MS = 10_000;

type Options = {
  guest: Guest;
  log: Log;
  link: () => HandoverClient | undefined;
  flood: FloodControl;
  clock: AwakeClock;
  apply: (input: SourceInput) => Promise<void>;
};

/**
 * Copies a guest's disks to the target's images, by a mirror job each, while the guest runs:
 *
 *   begin    the target opens its exports, and the jobs start in the background
 *   observe  with each figure of the migration: progress, rates, what has failed
 *   finish   the guest is stopped: the jobs copy the rest and end, and the exports are closed
 *   abandon  any other end: what was added to QEMU is removed
 *
 * The guest's own disks are only read. A job that has ended, and not by `finish`, fails the copy. No
 * job gets the mode `write-blocking`: one that ends early in it corrupts the memory of QEMU
 * (docs/internals/qemu-facts.md, "Mirrors to a migration's target").
 */
export class DiskCopies {
  readonly #options: Options;
  readonly #unsubscribe: (() => void)[] = [];
  /** The end of each job, by its id: resolved when the whole disk has been copied. */
  readonly #ends = new Map<string, PromiseWithResolvers<void>>();
  readonly #stall: CopyStall;
  readonly #sinceMs: number;
  #beginning: Promise<void> | undefined;
  #areJobsUp: boolean;
  #finishing: Promise<void> | undefined;
  #rate: number | undefined;
  #figures: DiskFigures = {};
  #bestBytesPerSecond = 0;
  #counted: { done: number; atMs: number } | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(options: Options) {
    this.#options = options;
    const { guest, clock } = options;
    this.#sinceMs = clock.nowMs;
    this.#areJobsUp = this.#copies?.isStarted ?? false;
    this.#stall = new CopyStall(clock, guest.manifest.migration?.silenceMs);
    for (const index of this.#disks.keys()) {
      const end = Promise.withResolvers<void>();
      end.promise.catch(() => undefined);
      this.#ends.set(copyJob(index), end);
    }
    this.#listen();
  }

  get #copies() {
    return this.#options.guest.manifest.migration?.copies;
  }

  get #disks() {
    return this.#copies?.disks ?? [];
  }

  #listen(): void {
    const { monitor } = this.#options.guest;
    this.#unsubscribe.push(
      monitor.on("BLOCK_JOB_COMPLETED", ({ data: { device, error } }) =>
        this.#onEnd(device, error),
      ),
      monitor.on("BLOCK_JOB_CANCELLED", ({ data: { device } }) =>
        this.#onEnd(device, "its copy was cancelled"),
      ),
      monitor.on("BLOCK_JOB_ERROR", ({ data: { device, operation } }) =>
        this.#onError(device, operation),
      ),
    );
  }

  /** Of the last reading; after `finish` nothing is left. */
  get figures(): DiskFigures {
    return this.#figures;
  }

  #onEnd(job: string, error: string | undefined): void {
    const end = this.#ends.get(job);
    if (end === undefined) return;
    const unasked = this.#finishing === undefined ? "its copy has ended too early" : undefined;
    const why = error === undefined ? unasked : `its copy has failed: ${error}`;
    if (why === undefined) {
      end.resolve();
      return;
    }
    const message = `${this.#nameOf(job)}: ${why}`;
    end.reject(new CommandRefusedError("qemu", message));
    this.#fail(message);
  }

  /** QEMU has paused the job, which the end of the migration removes. */
  #onError(job: string, operation: string): void {
    if (!this.#ends.has(job)) return;
    const where = operation === "read" ? "the source's image" : "the target's image";
    this.#onEnd(job, `an error of ${where} has stopped it (${operation})`);
  }

  #nameOf(job: string): string {
    const disk = this.#disks.find((_, index) => copyJob(index) === job)?.disk;
    return `Disk ${disk ?? job}`;
  }

  #fail(reason: string): void {
    const { apply, log } = this.#options;
    if (this.#unsubscribe.length === 0) return;
    apply({ type: "copy-failed", reason }).catch((error: unknown) => {
      log.error({ error }, "a migration whose copy has failed cannot be cancelled");
    });
  }

  /** The stream has begun, and the target's process stays. Repeated, it changes nothing. */
  begin(): void {
    if (this.#areJobsUp) return;
    this.#beginning ??= this.#begin().catch((error: unknown) => {
      this.#fail(error instanceof Error ? error.message : String(error));
    });
  }

  async #begin(): Promise<void> {
    const { guest, flood, link } = this.#options;
    const { migration } = guest.manifest;
    const handover = migration?.handover;
    if (migration?.copies === undefined || handover === undefined) return;
    const port = await link()?.openExports(OPEN_MS);
    if (port === undefined) throw new CommandRefusedError("refused", "The handover link is closed");
    flood.share();
    // Some run already where an earlier run of the agent has begun.
    const running = new Set((await copyJobs(guest.qmp)).map(({ device }) => device));
    for (const [index, { disk, sourceNode }] of this.#disks.entries()) {
      if (running.has(copyJob(index))) continue;
      await removeCopyNode(guest.qmp, copyNode(index));
      await this.#startJob({ index, disk, sourceNode }, { host: handover.address, port });
    }
    this.#noteStarted();
    this.#areJobsUp = true;
  }

  async #startJob(
    { index, disk, sourceNode }: { index: number; disk: string; sourceNode: string },
    { host, port }: { host: string; port: number },
  ): Promise<void> {
    const { qmp } = this.#options.guest;
    const target = copyNode(index);
    refuseLockedCopies(this.#options.guest);
    try {
      await qmp.execute("blockdev-add", {
        driver: "nbd",
        "node-name": target,
        server: { type: "inet", host, port: String(port) },
        export: disk,
        "tls-creds": TLS_OBJECT,
        "open-timeout": OPEN_NODE_SECONDS,
      });
      await qmp.execute("blockdev-mirror", {
        "job-id": copyJob(index),
        device: sourceNode,
        target,
        sync: "full",
        "copy-mode": "background",
        // A job that an error ends would end QEMU where another process has locked the image.
        "on-target-error": "stop",
        "on-source-error": "stop",
        speed: this.#rateFor({ status: "active" }),
      });
    } catch (error) {
      if (!(error instanceof QmpCommandError)) throw error;
      throw new CommandRefusedError("qemu", `Disk ${disk}: ${error.desc}`, { cause: error });
    }
  }

  #noteStarted(): void {
    const { guest } = this.#options;
    const { migration } = guest.manifest;
    if (migration?.copies === undefined) return;
    guest.note({ migration: { ...migration, copies: { ...migration.copies, isStarted: true } } });
  }

  /**
   * Reads the jobs, at each figure of the migration.
   *
   * @returns the figures with those of the disks
   * @throws QmpError
   */
  async observe(progress: Progress): Promise<Progress> {
    const { guest, clock, flood } = this.#options;
    if (progress.status !== "active" || this.#finishing !== undefined) {
      return { ...progress, ...this.#figures };
    }
    if (!this.#areJobsUp) {
      if (clock.nowMs - this.#sinceMs > UNTOLD_MS) this.begin();
      return progress;
    }
    const jobs = await copyJobs(guest.qmp);
    if (this.#finishing !== undefined) return { ...progress, ...this.#figures };
    this.#count(jobs);
    const missing = [...this.#ends.keys()].find((id) => !jobs.some((job) => job.device === id));
    if (missing !== undefined) this.#fail(`${this.#nameOf(missing)}: its copy has ended too early`);
    else await this.#judge(jobs, progress);
    flood.share();
    return { ...progress, ...this.#figures };
  }

  #count(jobs: readonly BlockJob[]): void {
    const sum = (of: (job: BlockJob) => number) => jobs.reduce((all, job) => all + of(job), 0);
    const total = sum(({ len }) => Number(len));
    const done = sum(({ offset }) => Number(offset));
    const atMs = this.#options.clock.nowMs;
    const before = this.#counted ?? { done: 0, atMs: this.#sinceMs };
    this.#counted = { done, atMs };
    const rate = ((done - before.done) / Math.max(1, atMs - before.atMs)) * 1000;
    this.#bestBytesPerSecond = Math.max(this.#bestBytesPerSecond, rate);
    this.#figures = {
      diskTotalBytes: total,
      diskRemainingBytes: Math.max(0, total - done),
      diskBytesPerSecond: Math.max(0, Math.round(rate)),
    };
  }

  async #judge(jobs: readonly BlockJob[], progress: Progress): Promise<void> {
    const { guest, apply } = this.#options;
    const stalled = this.#stall.observe(jobs, this.#rate ?? 0);
    if (stalled !== undefined) {
      const { job, silentMs } = stalled;
      const reason = `${this.#nameOf(job.device)}: nothing was copied for ${Math.round(silentMs / 1000)} s: see whether the target's QEMU and its storage answer`;
      // First: the guest's stop waits for what is under way to the target.
      await yankCopies(guest.qmp, this.#disks.length);
      this.#fail(reason);
      return;
    }
    await this.#setRate(jobs, progress);
    const areDone = jobs.every(({ ready }) => ready) && this.#fitsDowntime();
    const isReady = areDone && !this.#isLocked();
    await apply({ type: "copied", copies: isReady ? "ready" : "copying" });
  }

  /** The jobs cannot end now: the guest runs on until they can, or the deadline has come. */
  #isLocked(): boolean {
    const { guest, log } = this.#options;
    try {
      refuseLockedCopies(guest);
      return false;
    } catch (error) {
      log.warn({ error }, "the switchover waits for the lock on a disk's image");
      return true;
    }
  }

  /** What is left is copied while the guest is stopped. */
  #fitsDowntime(): boolean {
    const { downtimeLimitMs = DOWNTIME_LIMIT_MS } = this.#options.guest.manifest.migration ?? {};
    const { diskRemainingBytes = 0 } = this.#figures;
    return diskRemainingBytes <= (this.#bestBytesPerSecond * downtimeLimitMs) / 1000;
  }

  async #setRate(jobs: readonly BlockJob[], progress: Progress): Promise<void> {
    const speed = this.#rateFor(progress);
    if (speed === this.#rate) return;
    for (const { device } of jobs) {
      await this.#options.guest.qmp.execute("block-job-set-speed", { device, speed });
    }
    this.#rate = speed;
  }

  #rateFor({ ramRemainingBytes, ramTransferredBytes = 0 }: Progress): number {
    const { agreed } = this.#options.guest.manifest.migration ?? {};
    return diskRate({
      capBytesPerSecond: Number(agreed?.["max-bandwidth"] ?? 0),
      isMemoryCalm: ramRemainingBytes === 0 && ramTransferredBytes > 0,
      disks: this.#disks.length,
    });
  }

  /**
   * The guest is stopped: ends the jobs as whole copies, and has the target's exports closed.
   *
   * @throws CommandRefusedError, QmpError: then the guest must not run on the target
   */
  finish(): Promise<void> {
    this.#finishing ??= this.#finish();
    return this.#finishing;
  }

  async #finish(): Promise<void> {
    const { guest, link } = this.#options;
    const options = { timeoutMs: FINISH_MS };
    refuseLockedCopies(guest);
    for (const device of this.#ends.keys()) {
      await guest.qmp.execute("block-job-set-speed", { device, speed: 0 }, options);
      await guest.qmp.execute("block-job-cancel", { device }, options);
    }
    await this.#allEnded();
    this.#figures = { ...this.#figures, diskRemainingBytes: 0 };
    const handover = link();
    if (handover === undefined)
      throw new CommandRefusedError("refused", "There is no handover link");
    await Promise.all([handover.closeExports(CLOSE_MS), removeCopyNodes(guest.qmp)]);
  }

  async #allEnded(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `The copies have not ended within ${FINISH_MS} ms`;
      timer = setTimeout(() => reject(new CommandRefusedError("timeout", message)), FINISH_MS);
    });
    const ends = [...this.#ends.values()].map(({ promise }) => promise);
    await Promise.race([Promise.all(ends), late]).finally(() => clearTimeout(timer));
  }

  /** QEMU does not answer: it may wait for a copy. */
  onSilent(): void {
    if (this.#beginning === undefined && !this.#areJobsUp) return;
    this.#silence ??= setTimeout(() => void this.#cut(), SILENT_MS);
  }

  onAnswer(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  async #cut(): Promise<void> {
    const { guest, log } = this.#options;
    log.warn({}, "QEMU does not answer: the copies of its disks are cut");
    await yankCopies(guest.qmp, this.#disks.length).catch((error: unknown) => {
      log.error({ error }, "the copies cannot be cut");
    });
  }

  /** The migration has ended, and not on the target: nothing of the copies stays in QEMU. */
  async abandon(): Promise<void> {
    const { guest, log } = this.#options;
    this.close();
    const rest = { beginning: this.#beginning, lockedMs: LOCKED_MS };
    await removeCopies(guest, rest).catch((error: unknown) => {
      log.error({ error }, "what the copies have added to QEMU is left to the next migration");
    });
  }

  /** Follows the jobs no more; they go on. */
  close(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.onAnswer();
  }
}
