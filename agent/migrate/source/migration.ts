import type { MigrationId } from "../../../core/id.ts";
import type { ArgsOf, ResultOf } from "../../../core/protocol/command.ts";
import { SETUP_STATUS, UNTOUCHED_STATUS } from "../../../core/qemu/migration-status.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import { createEmitter, type MigrationEmitter } from "../../guest/emit.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Resources } from "../../guest/resources.ts";
import type { MigrationHooks } from "../../hooks/migration-hooks.ts";
import type { Log } from "../../runtime/log.ts";
import { placeholdersOf } from "../../twin/placeholders.ts";
import type { HandoverClient } from "../link/handover-client.ts";
import { recordEnd } from "../record-end.ts";
import { restoreParameters } from "../settings.ts";
import { TlsCredentials } from "../tls.ts";
import { SourceActions } from "./actions.ts";
import { ByteWatch } from "./byte-watch.ts";
import { cancelAndWait, readStatus, refuseInPostcopy } from "./cancel.ts";
import { waitForCleanup } from "./earlier-migration.ts";
import { SourceObserver } from "./observer.ts";
import { recoverPostcopy } from "./recover-postcopy.ts";
import { removeCopies } from "./remove-copies.ts";
import {
  type Before,
  mayHaveStarted,
  readBefore,
  runStateBefore,
  type SourceOptions,
  setUpSource,
} from "./setup.ts";
import { StartWatch } from "./start-watch.ts";
import {
  initialSourceState,
  type PermittedBy,
  type SourceAction,
  type SourceInput,
  type SourceState,
} from "./state.ts";
import { connectionsTo, SwitchoverWatch } from "./switchover-watch.ts";
import { nextSourceState } from "./transitions.ts";
import { refuseIfDifferent, SourceTwinCheck } from "./twin-check.ts";

/**
 * The source side of one migration. The observer's inputs go through the state (state.ts);
 * the events that follow are emitted, the actions carried out. None of it needs the cloud.
 */
export class SourceMigration {
  readonly id: MigrationId;
  readonly epoch: number;
  readonly #guest: Guest;
  readonly #log: Log;
  readonly #emit: MigrationEmitter;
  readonly #hooks: MigrationHooks;
  readonly #resources: Resources;
  readonly #tls: TlsCredentials;
  readonly #observer: SourceObserver;
  readonly #actions: SourceActions;
  readonly #finished = Promise.withResolvers<void>();
  #state: SourceState;
  #before: Before | undefined;
  #byteWatch: ByteWatch | undefined;
  #startWatch: StartWatch | undefined;
  #switchoverWatch: SwitchoverWatch | undefined;

  constructor(options: SourceOptions) {
    const { guest, hooks, progressIntervalMs } = options;
    this.id = options.id;
    this.epoch = options.epoch;
    this.#guest = guest;
    this.#hooks = hooks;
    this.#resources = options.resources;
    this.#state = initialSourceState(progressIntervalMs);
    this.#emit = createEmitter(options);
    const log = options.log.child({ migrationId: options.id, side: "source" });
    this.#log = log;
    this.#tls = new TlsCredentials("source", options, log);
    const apply = (input: SourceInput) => this.#apply(input);
    this.#observer = new SourceObserver({
      guest,
      log,
      progressIntervalMs,
      apply,
      isFollowed: () => !this.ended && !this.#state.isDetached,
      isGateSettled: () => this.#actions.gate?.isSettled ?? true,
      withDisks: async (progress) => (await this.#actions.copies?.observe(progress)) ?? progress,
    });
    this.#actions = new SourceActions({
      guest,
      log,
      hooks,
      clock: this.#observer.clock,
      apply,
      onRung: (rung) => this.#emit({ type: "migration.rung", ...rung }),
    });
  }

  get linkUp(): boolean {
    return this.#actions.link?.linkUp ?? false;
  }

  get ended(): boolean {
    return this.#state.end !== undefined;
  }

  /**
   * Sets QEMU up and starts the migration.
   *
   * @throws CommandRefusedError, QmpError: nothing has been started then; but when QEMU did not
   *   answer `migrate` in time it is unknown, and the migration is followed all the same.
   */
  async start(args: ArgsOf<"source.start">): Promise<void> {
    try {
      await this.#setUp(args);
      const uri = (await this.#startWatch?.clear(args.migrationUri)) ?? args.migrationUri;
      await this.#guest.qmp.execute("migrate", { uri });
    } catch (error) {
      if (mayHaveStarted(error)) this.#observer.startClock();
      else await this.#apply({ type: "not-started" });
      throw error;
    }
    await this.#apply({ type: "started" });
    this.#observer.startClock();
  }

  async #setUp(args: ArgsOf<"source.start">): Promise<void> {
    this.#observer.watchSilence();
    const handover = { ...args.handover, key: args.handoverKey };
    await this.#hooks.prepare(handover.address);
    const reading = readBefore(this.#guest, args);
    const cleanup = waitForCleanup(this.#guest.qmp);
    for (const early of [reading, cleanup]) early.catch(() => undefined);
    const { definition } = this.#guest.manifest;
    const check = new SourceTwinCheck(this.#guest, placeholdersOf(definition, this.#resources));
    // Before anything else: without the link nothing is changed in QEMU.
    await this.#actions.connect({ address: handover, migrationId: this.id });
    const { link } = this.#actions;
    if (link !== undefined) {
      this.#watchLink(link);
      this.#startWatch = new StartWatch({
        guest: this.#guest,
        log: this.#log,
        link,
        release: (input) => this.#observer.react(input),
        onStream: () => this.#actions.copies?.begin(),
      });
    }
    if (this.#state.isDetached) link?.close();
    [this.#before] = await Promise.all([reading, cleanup]);
    await this.#compare(check, args);
    // Left by a migration whose agent died before it could clean up; they use the credentials.
    if (this.#guest.manifest.migration?.copies) await removeCopies(this.#guest);
    await this.#tls.make(args);
    await setUpSource(this.#guest, this, args, this.#before, this.#log);
    await this.#attach("none");
    const { gate } = this.#actions;
    if (gate === undefined) return;
    await gate.hold(args.settings.capabilities["dirty-bitmaps"]);
    await this.#apply({ type: "gate-held" });
  }

  /** @throws CommandRefusedError when the target's machine is another one */
  async #compare(check: SourceTwinCheck, { acceptDifferences }: ArgsOf<"source.start">) {
    const { link } = this.#actions;
    if (link === undefined) return;
    const result = await check.run(link, acceptDifferences);
    this.#emit({ type: "migration.compared", ...result });
    refuseIfDifferent(result);
  }

  /** Continues with a migration of an earlier run of this agent. */
  async reattach(): Promise<void> {
    const { handover, gate } = this.#guest.manifest.migration ?? {};
    if (handover) this.#actions.reconnect({ address: handover, migrationId: this.id });
    if (this.#actions.link) this.#watchLink(this.#actions.link);
    const present = gate?.isLifted ? "opened" : "holding";
    await this.#attach(gate === undefined ? "none" : present);
    this.#observer.startClock();
    // The earlier run may have calmed QEMU, and may have missed the end of the hold.
    this.#actions.flood.restore();
    // Not waited for: QEMU may be silent for as long as its downtime takes.
    void this.#observer.poll();
  }

  #watchLink(link: HandoverClient): void {
    link.startPings();
    this.#switchoverWatch = new SwitchoverWatch({
      link,
      connections: () => {
        const { migration, pid } = this.#guest.manifest;
        return connectionsTo(migration?.handover?.address, pid);
      },
      onGaveUp: (gaveUp) => this.#observer.react({ type: "watch-gave-up", gaveUp }),
    });
  }

  /** Prepares the actions and listens, from what the manifest holds. */
  async #attach(gate: "none" | "opened" | "holding"): Promise<void> {
    this.#actions.prepare();
    if (gate !== "none") this.#actions.gate?.reattach();
    const { postcopy, standstill, copies } = this.#guest.manifest.migration ?? {};
    const { ladderGaveUp } = this.#actions;
    const runState = runStateBefore(this.#guest);
    const copied = copies === undefined ? {} : ({ copies: "copying" } as const);
    const held = { gate, isGated: copies?.isGated ?? true, ...copied };
    // First, since the lines of the log may have been there for long.
    await this.#apply({ type: "attached", ...held, postcopy, ladderGaveUp, runState, standstill });
    this.#observer.listen();
  }

  /**
   * Permits the switchover. Repeated, or for a migration that is not held, it changes nothing.
   *
   * @throws QmpError: then it is still held.
   */
  permit(by: PermittedBy): Promise<void> {
    return this.#apply({ type: "permit", by });
  }

  /** @throws QmpError; CommandRefusedError when the migration has ended. */
  async limit(args: ArgsOf<"source.set">): Promise<ResultOf<"source.set">> {
    if (this.ended) throw new CommandRefusedError("refused", "The migration has ended");
    const maxBandwidthBytesPerSecond = await this.#actions.flood.limit(args);
    this.#emit({ type: "migration.bandwidth-set", maxBandwidthBytesPerSecond });
    return { maxBandwidthBytesPerSecond };
  }

  /** Cancels and waits for the end, whichever it is. Never in postcopy: 7.2 would lose the guest. */
  async cancel(): Promise<void> {
    this.#startWatch?.close();
    const status = (await readStatus(this.#guest.qmp)) ?? this.#statusWhileSilent();
    refuseInPostcopy(status, this.#guest.manifest.migration?.postcopy !== undefined);
    await this.#apply({ type: "cancel", status });
  }

  /** A QEMU whose main loop is blocked does not answer; its events had the status, if it sent one. */
  #statusWhileSilent(): string {
    const { status } = this.#state;
    return status === UNTOUCHED_STATUS ? SETUP_STATUS : status;
  }

  /**
   * Continues in postcopy over a new connection.
   *
   * @param uri where the target listens now; null when it reports that nothing is broken
   * @throws CommandRefusedError when the sides do not connect within 20 s; it may be tried again
   */
  async recover(uri: string | null): Promise<string> {
    await this.#apply({ type: "recovery", isUnderWay: true });
    try {
      const status = await recoverPostcopy(this.#guest.qmp, uri);
      await this.#apply({ type: "status", status: "postcopy-active", atMs: Date.now() });
      return status;
    } finally {
      await this.#apply({ type: "recovery", isUnderWay: false });
    }
  }

  /** Detaches without an event: the agent shuts down, QEMU goes on. */
  close(): void {
    this.#observer.react({ type: "detached" });
    this.#detach();
    this.#finished.resolve();
  }

  #detach(): void {
    this.#startWatch?.close();
    this.#switchoverWatch?.close();
    this.#observer.close();
    this.#actions.copies?.close();
    this.#actions.link?.close();
    this.#actions.gate?.close();
  }

  async #apply(input: SourceInput): Promise<void> {
    if (this.#startWatch?.holdsBack(input)) return;
    const { state, events, actions } = nextSourceState(this.#state, input);
    this.#state = state;
    if (input.type === "figures") this.#watchBytes(input);
    if (input.type === "qmp-silent") this.#actions.copies?.onSilent();
    if (input.type === "qmp-answers") this.#actions.copies?.onAnswer();
    if (state.end) this.#switchoverWatch?.close();
    else if (state.stop ?? state.unjudgedStop) this.#switchoverWatch?.start();
    for (const { event, atMs } of events) this.#emit(event, atMs);
    await Promise.all(actions.map((action) => this.#perform(action)));
  }

  #watchBytes({ progress }: Extract<SourceInput, { type: "figures" }>): void {
    const { silenceMs } = this.#guest.manifest.migration ?? {};
    this.#byteWatch ??= new ByteWatch({
      silenceMs,
      clock: this.#observer.clock,
      link: () => this.#actions.link,
    });
    const reason = this.#byteWatch.observe(progress);
    if (reason === undefined || this.#state.reasons.watch) return;
    const gaveUp = { during: "precopy", code: "stream-silent", reason } as const;
    this.#observer.react({ type: "watch-gave-up", gaveUp });
  }

  async #perform(action: SourceAction): Promise<void> {
    switch (action.type) {
      case "poll":
        return await this.#observer.poll();
      case "cancel":
        this.#log.warn({ reasons: this.#state.reasons }, "the agent cancels the migration");
        if (!action.orContinue) return await this.cancel();
        // A guest must not stay stopped: too late for a cancel, the switchover continues.
        return await this.cancel().catch(() => this.#actions.continueSwitchover());
      case "yank":
        await this.#guest.qmp.execute("yank", { instances: [{ type: "migration" }] });
        return;
      case "cancel-qemu":
        return await cancelAndWait(this.#guest.qmp, this.#finished.promise);
      case "end":
        return this.#end(action.status);
      default:
        return await this.#actions.perform(action);
    }
  }

  /** After `completed` they have ended by themselves. */
  async #removeCopies(status: string): Promise<void> {
    const { copies } = this.#actions;
    if (status === "completed") copies?.close();
    else await copies?.abandon();
  }

  #end(status: string): void {
    this.#finished.resolve();
    this.#observer.close();
    // The target's agent may answer later, or ask again after a break: until the source is discarded.
    if (status !== "completed") this.#actions.link?.close();
    if (status !== "completed") this.#hooks.failed();
    if (status === "exited") return;
    const { flood, gate } = this.#actions;
    if (status !== "completed") {
      flood.stop();
      // The next migration of this process finds the parameters as this one did.
      const before = this.#before?.parameters ?? this.#guest.manifest.migration?.before ?? {};
      void restoreParameters(this.#guest.qmp, before, this.#log);
    }
    void gate?.cleanUp();
    void this.#removeCopies(status).then(() => this.#tls.remove());
    recordEnd(this.#guest, this.id, this.#log);
  }
}
