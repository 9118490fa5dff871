import type { ClimbedRung } from "../../../core/convergence/ladder.ts";
import type { Progress } from "../../../core/protocol/event.ts";
import { DOWNTIME_LIMIT_MS } from "../../../core/qemu/parameters.ts";
import type { Guest } from "../../guest/guest.ts";
import type { MigrationHooks } from "../../hooks/migration-hooks.ts";
import type { AwakeClock } from "../../runtime/awake-clock.ts";
import type { Log } from "../../runtime/log.ts";
import { HandoverClient, type HandoverClientOptions } from "../link/handover-client.ts";
import type { HandoverAnswer } from "../link/handover-protocol.ts";
import { DiskCopies } from "./disk-copies.ts";
import { FloodControl } from "./flood-control.ts";
import { Gate } from "./gate.ts";
import { Ladder } from "./ladder.ts";
import { LinkBandwidth } from "./link-bandwidth.ts";
import type { PermittedBy, SourceAction, SourceInput } from "./state.ts";

/** The target's `cont` is a matter of milliseconds; after this the cloud decides. */
const HANDOVER_MS = 3_000;

type Options = {
  guest: Guest;
  log: Log;
  hooks: MigrationHooks;
  clock: AwakeClock;
  onRung: (rung: ClimbedRung) => void;
  /** Takes what an action has found as an input. */
  apply: (input: SourceInput) => Promise<void>;
};

type LinkTarget = Pick<HandoverClientOptions, "address" | "migrationId">;
type Migration = NonNullable<Guest["manifest"]["migration"]>;

/** Actions that begin or end the migration itself are the migration's. */
type OwnAction = Exclude<
  SourceAction,
  { type: "poll" | "cancel" | "cancel-qemu" | "yank" | "end" }
>;

/** Carries out the actions of a source in QEMU, over the handover link, and in the manifest. */
export class SourceActions {
  readonly flood: FloodControl;
  copies: DiskCopies | undefined;
  link: HandoverClient | undefined;
  readonly #options: Options;
  #handover: Promise<boolean> = Promise.resolve(false);
  #bandwidth: LinkBandwidth | undefined;
  #gate: Gate | undefined;
  #ladder: Ladder | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.flood = new FloodControl(options.guest, options.log);
  }

  get gate(): Gate | undefined {
    return this.#gate;
  }

  /** Why the ladder gave up; undefined: it has not. */
  get ladderGaveUp(): string | undefined {
    return this.#ladder?.gaveUp;
  }

  /** @throws CommandRefusedError when the link does not come up */
  async connect(to: LinkTarget): Promise<void> {
    this.link = await HandoverClient.connect(this.#linkOptions(to));
  }

  /** After a restart of the agent: the link comes up in the background. */
  reconnect(to: LinkTarget): void {
    this.link = HandoverClient.reattach(this.#linkOptions(to));
  }

  #linkOptions(to: LinkTarget): HandoverClientOptions {
    return {
      ...to,
      onAnswer: (answer) => this.#onAnswer(answer),
      // A source that has forgotten it would be resumed beside the target.
      beforeHandOver: () => this.#note(() => this.#options.guest.noteSaidCompleted(Date.now())),
    };
  }

  #onAnswer(answer: HandoverAnswer): void {
    const { apply, log } = this.#options;
    if (answer.type === "refused") {
      const { message, final } = answer;
      log.warn({ message, final }, "the target's guest has not arrived");
      return;
    }
    apply({ type: "arrived", atMs: Date.now() }).catch((error: unknown) => {
      log.error({ error }, "the target's answer cannot be taken in");
    });
  }

  /** Makes what acts on QEMU, from what the manifest holds. */
  prepare(): void {
    const { guest, log, onRung, clock, apply } = this.#options;
    const { flood } = this;
    const { gate, copies, linkBytesPerSecond, downtimeLimitMs } = guest.manifest.migration ?? {};
    const link = new LinkBandwidth(guest, log, linkBytesPerSecond);
    const limitMs = downtimeLimitMs ?? DOWNTIME_LIMIT_MS;
    this.#bandwidth = link;
    if (gate) this.#gate = new Gate({ guest, log, limitMs, link, flood });
    if (copies !== undefined) {
      this.copies = new DiskCopies({ guest, log, link: () => this.link, flood, clock, apply });
    }
    this.#ladder = Ladder.of(guest, onRung);
  }

  async perform(action: OwnAction): Promise<void> {
    switch (action.type) {
      case "continue":
        return this.#continue();
      case "hand-over":
        return this.#handOver(action);
      case "note-postcopy":
        return this.#remember({ postcopy: action.postcopy });
      case "note-run-state":
        return this.#noteRunState(action);
      case "note-handed-over":
        return this.#note(() => this.#options.guest.noteHandedOver(action.atMs));
      case "read-run-state":
        return this.#readRunState();
      case "read-final-figures":
        return this.#readFinalFigures();
      case "apply-link-bandwidth":
        void this.#bandwidth?.apply();
        return;
      case "calm-passes":
        return this.#calmPasses(action.count, action.bestBytesPerSecond);
      case "calm-hold":
        return this.#gate?.calm(action.bestBytesPerSecond);
      case "stop-calming":
        return this.flood.stopCalming();
      case "climb":
        return this.#climb(action.progress, action.limitMs);
      case "open-gate":
        return this.#openGate(action.by);
    }
  }

  /** Lets QEMU switch over, once its disks are copied. It refuses unless it waits for that. */
  continueSwitchover(): void {
    const { apply, log } = this.#options;
    if (this.copies === undefined) {
      this.#continueNow();
      return;
    }
    this.copies.finish().then(
      () => this.#continueNow(),
      (error: unknown) => {
        log.error({ error }, "the disks are not copied as a whole: the guest stays");
        const reason = error instanceof Error ? error.message : String(error);
        apply({ type: "copy-failed", reason }).catch((cause: unknown) => {
          log.error({ error: cause }, "a migration whose copy has failed cannot be cancelled");
        });
      },
    );
  }

  #continueNow(): void {
    const state = { state: "pre-switchover" } as const;
    this.#options.guest.qmp.execute("migrate-continue", state).catch((error: unknown) => {
      this.#options.log.warn({ error }, "migrate-continue was refused");
    });
  }

  /** The guest is stopped: nobody but the host's own hook is asked here. */
  #continue(): void {
    const { hooks, apply } = this.#options;
    const stop = () => void apply({ type: "hook-aborted", reason: hooks.aborted ?? "" });
    hooks.preSwitchover(() => this.continueSwitchover(), stop);
  }

  /** The target's guest is stopped until it hears this; sent again when the link comes back. */
  #handOver({ when, runState }: Extract<SourceAction, { type: "hand-over" }>): void {
    if (when === "postcopy") this.link?.postcopy(runState);
    else this.#handover = this.link?.completed(runState, HANDOVER_MS) ?? this.#handover;
  }

  #noteRunState({ runState, standstill }: Extract<SourceAction, { type: "note-run-state" }>): void {
    this.#remember({ runStateBefore: runState, standstill });
  }

  #remember(change: Partial<Migration>): void {
    const { guest } = this.#options;
    const { migration } = guest.manifest;
    if (migration === undefined) return;
    this.#note(() => guest.remember({ migration: { ...migration, ...change } }));
  }

  /** A full disk must not hold the guest, which waits for the handover. */
  #note(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#options.log.error({ error }, "the state of the migration cannot be written down");
    }
  }

  async #readRunState(): Promise<void> {
    const { guest, apply } = this.#options;
    const { status: runState } = await guest.qmp.execute("query-status");
    await apply({ type: "run-state-read", runState, atMs: Date.now() });
  }

  async #readFinalFigures(): Promise<void> {
    const { guest, apply } = this.#options;
    const [handedOver, info] = await Promise.all([
      this.#handover,
      guest.qmp.execute("query-migrate").catch(() => undefined),
    ]);
    await apply({ type: "final-figures", info, disks: this.copies?.figures, handedOver });
  }

  #calmPasses(count: number, bestBytesPerSecond: number | undefined): void {
    const { linkBytesPerSecond } = this.#options.guest.manifest.migration ?? {};
    this.flood.onPasses(count, linkBytesPerSecond ?? bestBytesPerSecond);
  }

  async #climb(progress: Progress, limitMs: number): Promise<void> {
    if (!(await this.#ladder?.observe(progress, limitMs))) return;
    const reason = this.#ladder?.gaveUp ?? "";
    await this.#options.apply({ type: "ladder-gave-up", reason });
  }

  async #openGate(by: PermittedBy | undefined): Promise<void> {
    const { apply, log } = this.#options;
    try {
      this.flood.endSharing();
      if (!(await this.#gate?.open())) return;
    } catch (error) {
      await apply({ type: "gate-not-opened" });
      if (by !== undefined) throw error;
      // Nobody waits for an answer: it is tried again with the next figures.
      log.warn({ error }, "the gate stays closed");
      return;
    }
    await apply({ type: "gate-opened", by });
  }
}
