import type { MigrationId } from "../../../core/id.ts";
import type { ArgsOf, ResultOf } from "../../../core/protocol/command.ts";
import { createEmitter, type Emit, type MigrationEmitter } from "../../guest/emit.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Resources } from "../../guest/resources.ts";
import type { MigrationHooks } from "../../hooks/migration-hooks.ts";
import type { Log } from "../../runtime/log.ts";
import { sendSignal } from "../../runtime/process.ts";
import { removeHoldNode, untilFreed } from "../hold-node.ts";
import { HandoverServer } from "../link/handover-server.ts";
import { hostPart, listenInRange, type PortRange } from "../link/port-range.ts";
import { recordEnd } from "../record-end.ts";
import { type TlsConfig, TlsCredentials } from "../tls.ts";
import { CopyExports } from "./copy-exports.ts";
import { guestClockEvent } from "./guest-clock.ts";
import { TargetObserver } from "./observer.ts";
import { listenAgain } from "./postcopy.ts";
import { TargetReader } from "./read-target.ts";
import { type Listening, Replacement } from "./replacement.ts";
import { type Arrival, runGuest } from "./run-guest.ts";
import { setUpTarget } from "./setup.ts";
import {
  INITIAL_TARGET_STATE,
  nextTargetState,
  type RunsAfter,
  type TargetAction,
  type TargetInput,
} from "./state.ts";

type TargetOptions = {
  guest: Guest;
  id: MigrationId;
  epoch: number;
  emit: Emit;
  log: Log;
  /** Address and ports to listen on for the stream and the handover link. */
  address: string;
  ports: PortRange;
  /** Kills the guest's process and starts another one; absent after a restart of the agent. */
  replaceGuest?: (guest: Guest) => Promise<Guest>;
  tls?: TlsConfig | undefined;
  hooks: MigrationHooks;
  /** What this host has for the placeholders of definitions. */
  resources: Resources;
};

/**
 * The target side of one migration: QEMU is paused and loads. Only the source's agent over the
 * handover link, or an explicit command of the cloud, lets the guest run. What QEMU reports goes
 * through the state (state.ts); the events that follow are emitted, the actions carried out.
 */
export class TargetMigration {
  readonly id: MigrationId;
  readonly hooks: MigrationHooks;
  readonly epoch: number;
  readonly #options: TargetOptions;
  readonly #emit: MigrationEmitter;
  readonly #log: Log;
  readonly #address: string;
  #guest: Guest;
  #tls: TlsCredentials;
  #replacement: Replacement | undefined;
  #state = INITIAL_TARGET_STATE;
  #server: HandoverServer | undefined;
  #observer: TargetObserver | undefined;
  readonly #closing = new AbortController();
  #running: Promise<Arrival> | undefined;
  readonly #reader: TargetReader;
  readonly #exports = new CopyExports(() => this.#guest);

  constructor(options: TargetOptions) {
    this.id = options.id;
    this.hooks = options.hooks;
    this.epoch = options.epoch;
    this.#options = options;
    this.#guest = options.guest;
    this.#emit = createEmitter(options);
    this.#log = options.log.child({ migrationId: options.id, side: "target" });
    this.#address = options.address;
    const target = {
      guest: () => this.#guest,
      isReplacing: () => this.#replacement?.isReplacing ?? false,
    };
    this.#reader = new TargetReader(target, options.resources);
    this.#tls = new TlsCredentials("target", options, this.#log);
  }

  get linkUp(): boolean {
    return this.#server?.linkUp ?? false;
  }

  async settle(): Promise<void> {
    await this.#replacement?.settle();
  }

  /** Sets QEMU up and listens; capabilities strictly before migrate-incoming. */
  async prepare(
    args: ArgsOf<"target.prepare">,
  ): Promise<Omit<ResultOf<"target.prepare">, "startMs">> {
    const { ports } = this.#options;
    const [{ givenUp, ...listening }, server] = await Promise.all([
      this.#setUp(args),
      listenInRange(ports, this.#address, (port) => this.#serve(port, args.handoverKey)),
    ]);
    const { migrationUri } = listening;
    this.#note(args, server.port);
    this.#watchStart(args, server, { guest: this.#guest, ...listening });
    const handover = { address: this.#address, port: server.port };
    const { pid } = this.#guest.manifest;
    return { migrationUri, handover, pid, ...(givenUp.length > 0 ? { givenUp } : {}) };
  }

  async #setUp(args: ArgsOf<"target.prepare">) {
    this.#observe();
    const { ports } = this.#options;
    const options = { address: this.#address, ports, tls: this.#tls, log: this.#log };
    const listening = await setUpTarget(this.#guest, args, options);
    // The source's agent asks for it later.
    this.#reader.begin();
    return listening;
  }

  #note(args: ArgsOf<"target.prepare">, port: number): void {
    const handover = { address: this.#address, port, key: args.handoverKey };
    const tls = args.tls ? { tls: args.tls } : {};
    const clock = args.guestClock ? { guestClock: args.guestClock } : {};
    const { id, epoch } = this;
    this.#guest.note({
      migration: { id, epoch, side: "target", over: false, handover, ...tls, ...clock },
    });
  }

  /** From here on QEMU is replaced when a stranger or its silence keeps the stream from beginning. */
  #watchStart(args: ArgsOf<"target.prepare">, server: HandoverServer, first: Listening): void {
    const { replaceGuest, ports: _, address, ...options } = this.#options;
    if (replaceGuest === undefined || this.#state.phase !== "loading") return;
    const replacement = new Replacement({
      log: this.#log,
      address,
      sources: () =>
        [args.sourceAddress, server.peerAddress].filter((address) => address !== undefined),
      isPermittedToRun: () => this.#running !== undefined || this.#guest.manifest.permittedToRun,
      replace: async () => {
        this.#observer?.close();
        this.#guest = await replaceGuest(this.#guest);
        this.#tls = new TlsCredentials("target", { ...options, guest: this.#guest }, this.#log);
        const { givenUp: _, ...listening } = await this.#setUp(args);
        this.#note(args, server.port);
        return { guest: this.#guest, ...listening };
      },
      send: (message) => server.send(message),
      onRestarted: (attempt, reason) =>
        this.#emit({ type: "migration.restarted", attempt, reason }),
      onGaveUp: (reason) => {
        // A source that hangs in a handshake with it runs its guest again.
        sendSignal(this.#guest.manifest, "SIGKILL");
        this.#apply({ type: "stream-not-started", reason });
      },
    });
    this.#replacement = replacement;
    replacement.watch(first);
  }

  /** Continues with a migration of an earlier run of this agent. */
  async reattach(): Promise<void> {
    const { postcopy, handover } = this.#guest.manifest.migration ?? {};
    this.#apply({ type: "reattached", ranInPostcopy: postcopy !== undefined });
    this.#observe();
    // Not waited for: QEMU may be silent, and the source may be waiting for us.
    void this.#observer?.poll();
    if (!handover) return;
    try {
      await this.#serve(handover.port, handover.key);
    } catch (error) {
      this.#log.error({ error }, "the handover link is lost: the cloud decides");
    }
  }

  /** All of the guest is here; what has the run grant had been loaded, whatever QEMU reports now. */
  get isLoaded(): boolean {
    const { permittedToRun, migration } = this.#guest.manifest;
    return this.#state.phase === "loaded" || (permittedToRun && migration?.postcopy === undefined);
  }

  /**
   * Gives the run grant and brings the guest into the run state in which it left the source, once; see
   * {@link runGuest}. A repeated call waits for the first one, or tries again when that has failed.
   *
   * @throws as runGuest does
   */
  run(runState: string, when: RunsAfter = "completed"): Promise<Arrival> {
    this.#running ??= this.#run(runState, when).catch((error: unknown) => {
      this.#running = undefined;
      this.#log.error({ error }, "the guest has not arrived");
      throw error;
    });
    return this.#running;
  }

  async #run(runState: string, when: RunsAfter): Promise<Arrival> {
    await this.#exports.close();
    const arrival = await runGuest(this.#guest, {
      runState,
      when,
      isLoaded: this.isLoaded,
      onRefused: (message) => this.#onRefused(message),
      onUnrevoked: (error) =>
        this.#log.error({ error }, "the run grant cannot be revoked: the cloud has to decide"),
      signal: this.#closing.signal,
    });
    this.#apply({ type: "arrived", when, ...arrival });
    return arrival;
  }

  #onRefused(message: string): void {
    this.#log.warn({ message }, "QEMU refuses to run the guest");
    this.#server?.refuse(message);
    this.#apply({ type: "run-refused", message });
  }

  #noteArrived(atMs: number): void {
    try {
      this.#guest.noteArrived(atMs);
    } catch (error) {
      this.#log.error({ error }, "the guest's arrival cannot be written down");
    }
  }

  /**
   * After a break in postcopy: where the source finds this side now; null when nothing is broken.
   *
   * @throws CommandRefusedError, QmpError: it may be tried again.
   */
  async recover(): Promise<ResultOf<"target.recover">> {
    const port = await listenAgain(this.#guest.qmp, this.#address, this.#options.ports);
    return { migrationUri: port === null ? null : `tcp:${hostPart(this.#address)}:${port}` };
  }

  /** Detaches without an event: the agent shuts down, QEMU goes on. */
  close(): void {
    this.#closing.abort();
    this.#replacement?.close();
    this.#apply({ type: "closed" });
    this.#observer?.close();
    this.#server?.close();
  }

  #apply(input: TargetInput): void {
    const { state, events, actions } = nextTargetState(this.#state, input);
    this.#state = state;
    for (const { event, atMs } of events) this.#emit(event, atMs);
    for (const action of actions) this.#perform(action);
  }

  #perform(action: TargetAction): void {
    switch (action.type) {
      case "run":
        // A failure is logged; the cloud decides.
        this.run(action.runState, action.when).catch(() => undefined);
        return;
      case "note-arrived":
        // After the source's agent was answered, which is in microtasks.
        setImmediate(() => this.#noteArrived(action.atMs));
        return;
      case "note-postcopy":
        this.#notePostcopy();
        return;
      case "read-error":
        void this.#observer?.readError();
        return;
      case "run-hook":
        if (action.hook === "resumed") this.#onResumed();
        else this.hooks.failed();
        return;
      case "end":
        this.#end(action.linkMs);
    }
  }

  /** Nothing waits for the guest's clock. */
  #onResumed(): void {
    this.hooks.resumed();
    void guestClockEvent(this.#guest).then((event) => event && this.#emit(event));
  }

  #notePostcopy(): void {
    const { migration } = this.#guest.manifest;
    if (!migration) return;
    const postcopy = { active: true, pauses: 0, paused: false };
    this.#guest.note({ migration: { ...migration, postcopy } });
  }

  async #serve(port: number, key: string): Promise<HandoverServer> {
    const server = await HandoverServer.listen({
      address: this.#address,
      port,
      key,
      migrationId: this.id,
      onHandedOver: async ({ runState, type }) => (await this.run(runState, type)).runState,
      onWatch: (message) => this.#replacement?.onMessage(message, this.#guest),
      onRead: (what) => this.#reader.read(what),
      onCopy: (question) => this.#exports.answer(question, this.#options),
      onInspect: (request) => this.#reader.inspect(request),
    });
    this.#server = server;
    if (this.#state.phase === "ended") server.close();
    return server;
  }

  #observe(): void {
    const guest = this.#guest;
    this.#observer = new TargetObserver({
      guest,
      log: this.#log,
      replacement: () => this.#replacement,
      isFollowed: () =>
        this.#guest === guest &&
        this.#state.phase !== "ended" &&
        this.#replacement?.isReplacing !== true,
      apply: (input) => this.#apply(input),
      onPending: ({ pending, atMs }) =>
        this.#emit({ type: "migration.ack-pending", pending }, atMs),
    });
  }

  /** @param linkMs how long the handover link stays open */
  #end(linkMs: number): void {
    this.#replacement?.close();
    this.#observer?.close();
    setTimeout(() => this.#server?.close(), linkMs).unref();
    if (!this.#guest.isAlive) return;
    this.#tls.remove();
    const { qmp } = this.#guest;
    untilFreed(() => removeHoldNode(qmp), this.#closing.signal).catch((error: unknown) => {
      this.#log.debug({ error }, "the hold's node is left to QEMU's end");
    });
    setImmediate(() => recordEnd(this.#guest, this.id, this.#log));
  }
}
