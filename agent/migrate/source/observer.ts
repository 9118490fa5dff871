import type { Progress } from "../../../core/protocol/event.ts";
import { DOWNTIME_LIMIT_MS } from "../../../core/qemu/parameters.ts";
import type { Guest } from "../../guest/guest.ts";
import { AwakeClock } from "../../runtime/awake-clock.ts";
import type { Log } from "../../runtime/log.ts";
import { AckWatch } from "../ack-watch.ts";
import { Alarms } from "./alarms.ts";
import { toProgress } from "./progress.ts";
import type { SourceInput } from "./state.ts";

/** How often QEMU is asked for figures while it migrates. */
const POLL_MS = 500;
/** QEMU does not answer during most of the downtime. */
const FIGURES_MS = 60_000;
/** A QEMU that has not answered for this long counts as silent: with the poll's interval below 2 s. */
const SILENT_MS = 1_000;

type Options = {
  guest: Guest;
  log: Log;
  progressIntervalMs: number;
  /** Whether the migration is still followed. */
  isFollowed: () => boolean;
  isGateSettled: () => boolean;
  /** Adds the figures of disks that are copied. */
  withDisks: (progress: Progress) => Promise<Progress>;
  /** Takes an input; resolves when its actions have been carried out. */
  apply: (input: SourceInput) => Promise<void>;
};

/** Observes a source: QEMU's events, figures and log, and the moments that were agreed. */
export class SourceObserver {
  /** For the silence of others. */
  readonly clock = new AwakeClock(POLL_MS);
  readonly #options: Options;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #alarms = new Alarms();
  #ackWatch: AckWatch | undefined;
  /** When the poll that has no answer yet was sent, by the wall clock and by `clock`. */
  #polled: { atMs: number; awakeMs: number } | undefined;
  #isSilent = false;

  constructor(options: Options) {
    this.#options = options;
  }

  /** For inputs that nobody waits for. */
  react(input: SourceInput): void {
    const { apply, log } = this.#options;
    apply(input).catch((error: unknown) => {
      log.error({ error, input: input.type }, "an action of the source has failed");
    });
  }

  /** From here on QEMU's events, and its log where the manifest names a place in it. */
  listen(): void {
    const { guest } = this.#options;
    const { logOffset } = guest.manifest.migration ?? {};
    if (logOffset !== undefined) this.#watchAck(logOffset);
    const { monitor } = guest;
    this.#unsubscribe.push(
      monitor.on("MIGRATION", ({ data: { status }, timestampMs: atMs }) =>
        this.react({ type: "status", status, atMs }),
      ),
      monitor.on("MIGRATION_PASS", ({ count }) => this.react({ type: "passes", count })),
      monitor.on("STOP", ({ timestampMs: atMs }) => {
        // QEMU stops the guest after the ACK: the ACK's event comes first, too.
        this.#ackWatch?.poll();
        this.react({ type: "stop", atMs });
        void this.#readRunState(atMs);
      }),
      monitor.on("RESUME", ({ timestampMs: atMs }) => {
        this.react({ type: "resume", atMs });
        void this.#readRunState(atMs);
      }),
      monitor.onReconnect(() => {
        void this.poll();
        void this.#readRunState(Date.now());
      }),
      guest.runState.onChange(({ runState, atMs }) =>
        this.react({ type: "run-state", runState, atMs }),
      ),
    );
    // What has changed since it was written down.
    void this.#readRunState(Date.now());
    void guest.ended.then(() => {
      if (this.#options.isFollowed()) {
        this.react({ type: "exited", lastWords: guest.lastOutput(), atMs: Date.now() });
      }
    });
  }

  /** Until the migration starts: a running guest whose QEMU does not answer stands still. */
  watchSilence(): void {
    if (this.#options.guest.runState.current !== "running") return;
    this.#watchAnswers(() => this.#ping());
  }

  async #ping(): Promise<void> {
    const { guest, log, isFollowed } = this.#options;
    if (this.#polled !== undefined || !isFollowed()) return;
    this.#polled = { atMs: Date.now(), awakeMs: this.clock.nowMs };
    try {
      await guest.qmp.execute("query-status", {}, { timeoutMs: FIGURES_MS });
      this.#noteAnswer();
    } catch (error) {
      log.debug({ error }, "QEMU does not answer");
    } finally {
      this.#polled = undefined;
    }
  }

  /** The migration has started, or may have. */
  startClock(): void {
    this.#alarms.clear();
    const { guest, progressIntervalMs } = this.#options;
    const { deadlineAtMs, gate } = guest.manifest.migration ?? {};
    this.#watchAnswers(() => this.poll());
    this.#alarms.every(progressIntervalMs, () => this.react({ type: "silence", atMs: Date.now() }));
    this.#alarms.at(deadlineAtMs, () => this.react({ type: "deadline" }));
    this.#alarms.at(gate?.permitAtMs, () => this.react({ type: "permit", by: "time" }));
  }

  #watchAnswers(ask: () => Promise<void>): void {
    this.#alarms.every(POLL_MS, () => {
      this.clock.tick();
      this.#noteSilence();
      void ask();
    });
  }

  /** Reads QEMU's figures; there are none while QEMU does not answer. */
  async poll(): Promise<void> {
    const { guest, log, isFollowed, isGateSettled, withDisks, apply } = this.#options;
    if (this.#polled !== undefined || !isFollowed()) return;
    this.#polled = { atMs: Date.now(), awakeMs: this.clock.nowMs };
    try {
      this.#ackWatch?.poll();
      const info = await guest.qmp.execute("query-migrate", {}, { timeoutMs: FIGURES_MS });
      this.#noteAnswer();
      const progress = await withDisks(toProgress(info));
      const limitMs = guest.manifest.migration?.downtimeLimitMs ?? DOWNTIME_LIMIT_MS;
      const figures = { progress, limitMs, isGateSettled: isGateSettled() };
      if (!isFollowed()) return;
      await apply({ type: "figures", ...figures, atMs: Date.now() });
      await apply({ type: "figures-taken", progress, atMs: Date.now() });
    } catch (error) {
      log.debug({ error }, "no figures from QEMU");
    } finally {
      this.#polled = undefined;
    }
  }

  /** RunStateFollower leaves out the run states of a migration, which judge a STOP. */
  async #readRunState(atMs: number): Promise<void> {
    const { guest, log } = this.#options;
    try {
      const { status: runState } = await guest.qmp.execute(
        "query-status",
        {},
        { timeoutMs: FIGURES_MS },
      );
      if (this.#options.isFollowed()) this.react({ type: "run-state", runState, atMs });
    } catch (error) {
      log.debug({ error }, "no run state from QEMU");
    }
  }

  #noteSilence(): void {
    const polled = this.#polled;
    if (this.#isSilent || polled === undefined) return;
    if (this.clock.nowMs - polled.awakeMs < SILENT_MS) return;
    this.#isSilent = true;
    this.react({ type: "qmp-silent", sinceMs: polled.atMs });
  }

  #noteAnswer(): void {
    if (!this.#isSilent) return;
    this.#isSilent = false;
    this.react({ type: "qmp-answers", atMs: Date.now() });
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#alarms.clear();
    this.#ackWatch?.close();
  }

  #watchAck(offset: number): void {
    const { guest, log } = this.#options;
    try {
      this.#ackWatch = new AckWatch(guest.logPath, offset, (ack) =>
        this.react({ type: "ack", ...ack }),
      );
      this.react({ type: "ack-observed" });
    } catch (error) {
      log.warn({ error }, "QEMU's log cannot be followed");
    }
  }
}
