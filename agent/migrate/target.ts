import type { MigrationId } from "../../core/id.ts";
import type { ArgsOf, ResultOf } from "../../core/protocol/command.ts";
import { isPostcopyStatus, isUnloadedStatus } from "../../core/qemu/migration-status.ts";
import { isQmpEvent } from "../../qmp/events.ts";
import type { MigrationInfo, SocketAddress } from "../../qmp/migration.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Emit } from "../guest/emit.ts";
import type { Guest } from "../guest/guest.ts";
import type { MigrationHooks } from "../hooks/migration-hooks.ts";
import type { Log } from "../runtime/log.ts";
import { HandoverServer } from "./handover.ts";
import { forget } from "./memory.ts";
import { PendingWatch, tracePending } from "./pending-watch.ts";
import { applyFirstSettings } from "./settings.ts";
import { hostPart, listenAgain, waitUntilPostcopy } from "./target-postcopy.ts";
import { type TlsConfig, TlsCredentials } from "./tls.ts";

type TargetOptions = {
  guest: Guest;
  id: MigrationId;
  epoch: number;
  emit: Emit;
  log: Log;
  /** Address to listen on for the stream and the handover link. */
  address: string;
  tls?: TlsConfig | undefined;
  hooks: MigrationHooks;
};

const RUN_MS = 60_000;
/** Without a return path the source completes before the target has read everything. */
const LOAD_MS = 30_000;

/**
 * The target's reflexes: QEMU is paused and loads; the word of the source's agent over the handover
 * link, and nothing else but an explicit command of the cloud, lets the guest run.
 */
export class TargetMigration {
  readonly id: MigrationId;
  readonly hooks: MigrationHooks;
  readonly epoch: number;
  readonly #guest: Guest;
  readonly #emit: Emit;
  readonly #log: Log;
  readonly #address: string;
  readonly #tls: TlsCredentials;
  readonly #unsubscribe: (() => void)[] = [];
  #server: HandoverServer | undefined;
  #pendingWatch: PendingWatch | undefined;
  #running: Promise<void> | undefined;
  #isLoaded = false;
  #ranInPostcopy = false;
  #ended = false;

  constructor(options: TargetOptions) {
    this.id = options.id;
    this.hooks = options.hooks;
    this.epoch = options.epoch;
    this.#guest = options.guest;
    this.#emit = options.emit;
    this.#log = options.log.child({ migrationId: options.id, side: "target" });
    this.#address = options.address;
    this.#tls = new TlsCredentials("target", options, this.#log);
  }

  get linkUp(): boolean {
    return this.#server?.linkUp ?? false;
  }

  /** Sets QEMU up and listens; capabilities strictly before migrate-incoming. */
  async prepare(args: ArgsOf<"target.prepare">): Promise<ResultOf<"target.prepare">> {
    this.#listen();
    const [info, server] = await Promise.all([
      this.#receive(args),
      this.#serve(0, args.handoverKey),
    ]);
    const handover = { address: this.#address, port: server.port };
    this.#guest.note({
      migration: {
        id: this.id,
        epoch: this.epoch,
        side: "target",
        over: false,
        handover: { ...handover, key: args.handoverKey },
        ...(args.tls ? { tls: args.tls } : {}),
      },
    });
    return {
      migrationUri: toUri(info["socket-address"], this.#address),
      handover,
      pid: this.#guest.manifest.pid,
      startMs: this.#guest.startMs,
    };
  }

  /** Goes on with a migration of an earlier life of this agent. */
  async reattach(): Promise<void> {
    this.#ranInPostcopy = this.#guest.manifest.migration?.postcopy !== undefined;
    this.#listen();
    // Not waited for: QEMU may be silent, and the source may be waiting for us.
    void this.#look();
    const handover = this.#guest.manifest.migration?.handover;
    if (!handover) return;
    try {
      await this.#serve(handover.port, handover.key);
    } catch (error) {
      this.#log.error({ error }, "the handover link is lost: the cloud decides");
    }
  }

  /**
   * Lets the guest run. Leave to run is durable before `cont`: from then on nobody may resume the
   * source, whatever happens. Once; a repeated call waits for the same, or tries again when that
   * failed. A guest that was paused before the migration is taken, and stays paused. In postcopy it
   * runs as soon as its devices are here; its memory follows.
   *
   * @throws CommandRefusedError, QmpError, or the file system's error: then the guest has not run,
   *   or the cloud has to look.
   */
  run(wasRunning = true, when: "completed" | "postcopy" = "completed"): Promise<void> {
    this.#running ??= this.#run(wasRunning, when).catch((error: unknown) => {
      this.#running = undefined;
      this.#log.error({ error }, "the guest could not be let run");
      throw error;
    });
    return this.#running;
  }

  close(): void {
    this.#ended = true;
    this.#letGo();
    this.#server?.close();
  }

  #letGo(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#pendingWatch?.close();
  }

  /**
   * After a break in postcopy: where the source finds this end now; null when nothing is broken.
   *
   * @throws CommandRefusedError, QmpError: it may be tried again.
   */
  async recover(): Promise<ResultOf<"target.recover">> {
    const port = await listenAgain(this.#guest.qmp, this.#address);
    return { migrationUri: port === null ? null : `tcp:${hostPart(this.#address)}:${port}` };
  }

  async #run(wasRunning: boolean, when: "completed" | "postcopy"): Promise<void> {
    if (when === "postcopy") await waitUntilPostcopy(this.#guest.qmp);
    else if (!this.#isLoaded) await this.#waitUntilLoaded();
    // Leave given to a process that has ended would make a guest that never ran here count as lost.
    if (!this.#guest.isAlive) throw new CommandRefusedError("qemu", "The target's QEMU has ended");
    this.#guest.noteLeave();
    if (!wasRunning) return this.#onRunning(Date.now(), when);
    let resumedAtMs: number | undefined;
    const stop = this.#guest.monitor.on("RESUME", ({ timestampMs }) => {
      resumedAtMs = timestampMs;
    });
    try {
      const { qmp } = this.#guest;
      await qmp.execute("cont", {}, { timeoutMs: RUN_MS });
      // RESUME comes before the answer, unless the guest ran already.
      if (resumedAtMs === undefined && !(await qmp.execute("query-status")).running) {
        throw new CommandRefusedError("qemu", "QEMU accepted `cont`, but the guest does not run");
      }
    } finally {
      stop();
    }
    this.#onRunning(resumedAtMs ?? Date.now(), when);
  }

  #notePostcopy(): void {
    this.#ranInPostcopy = true;
    const { migration } = this.#guest.manifest;
    const postcopy = { active: true, pauses: 0, paused: false };
    if (migration) this.#guest.note({ migration: { ...migration, postcopy } });
  }

  /** Never `cont` before: QEMU would take it as leave to run whatever arrives. */
  async #waitUntilLoaded(): Promise<void> {
    const { qmp } = this.#guest;
    const loaded = qmp.waitFor(
      (event) => isQmpEvent(event, "MIGRATION") && event.data.status === "completed",
      { timeoutMs: LOAD_MS },
    );
    loaded.catch(() => undefined);
    const { status = "none" } = await qmp.execute("query-migrate");
    if (status === "completed") return;
    if (isUnloadedStatus(status)) {
      throw new CommandRefusedError("refused", `The target does not have the guest (${status})`);
    }
    await loaded;
  }

  /** What may have happened while nobody listened. */
  async #look(): Promise<void> {
    try {
      const { qmp, manifest } = this.#guest;
      const [{ running }, { status }] = await Promise.all([
        qmp.execute("query-status", {}, { timeoutMs: RUN_MS }),
        qmp.execute("query-migrate", {}, { timeoutMs: RUN_MS }),
      ]);
      if (this.#ended) return;
      this.#isLoaded ||= status === "completed";
      if (this.#isLoaded && this.#ranInPostcopy) return this.#end(5_000);
      const when = isPostcopyStatus(status ?? "") ? "postcopy" : "completed";
      if (running) this.#onRunning(Date.now(), when);
      // Leave to run was written down, but the agent died before, or just after, it said `cont`.
      else if (manifest.everRan) await this.run(true, when);
      else if (status === "failed") await this.#onFailed("failed");
    } catch (error) {
      this.#log.debug({ error }, "QEMU does not say what it sees");
    }
  }

  #onRunning(atMs: number, when: "completed" | "postcopy"): void {
    if (this.#ended || this.#ranInPostcopy) return;
    const identity = { migrationId: this.id, vm: this.#guest.vm, epoch: this.epoch };
    this.#emit({ type: "migration.target-running", ...identity }, atMs);
    this.hooks.resumed();
    // Its memory still comes: it is not over before that has come, too.
    if (when === "postcopy" && !this.#isLoaded) this.#notePostcopy();
    // The source may still be waiting for the word that the guest runs.
    else this.#end(5_000);
  }

  /** All in one go: QEMU takes commands in order, and a target that refuses one is ended. */
  async #receive(args: ArgsOf<"target.prepare">): Promise<MigrationInfo> {
    const { qmp } = this.#guest;
    const [{ exitOnError }] = await Promise.all([this.#guest.probe(), this.#tls.make(args)]);
    const isAcked = args.settings.capabilities["switchover-ack"];
    const [, , , info] = await Promise.all([
      isAcked ? tracePending(this.#guest, this.#log) : undefined,
      applyFirstSettings(qmp, args.settings),
      qmp.execute("migrate-incoming", {
        uri: `tcp:${hostPart(this.#address)}:0`,
        // A target that stays tells why it failed; the cloud has it ended.
        ...(exitOnError ? { "exit-on-error": false } : {}),
      }),
      qmp.execute("query-migrate"),
    ]);
    return info;
  }

  async #serve(port: number, key: string): Promise<HandoverServer> {
    const server = await HandoverServer.listen({
      address: this.#address,
      port,
      key,
      migrationId: this.id,
      onCompleted: (wasRunning, when) => this.run(wasRunning, when),
    });
    this.#server = server;
    if (this.#ended) server.close();
    return server;
  }

  #listen(): void {
    const { monitor, vm } = this.#guest;
    const identity = { migrationId: this.id, vm, epoch: this.epoch };
    // What an earlier life of the agent has told is not told again.
    this.#pendingWatch = new PendingWatch(this.#guest, this.#log, ({ pending, atMs }) =>
      this.#emit({ type: "migration.ack-pending", ...identity, pending }, atMs),
    );
    this.#unsubscribe.push(
      monitor.on("MIGRATION", ({ data: { status } }) => {
        if (status === "completed") this.#isLoaded = true;
        if (status === "completed" && this.#ranInPostcopy) this.#end(5_000);
        if (status === "failed") void this.#onFailed("failed");
      }),
      monitor.onReturn(() => void this.#look()),
    );
    void this.#guest.ended.then(() => this.#onFailed("exited"));
  }

  async #onFailed(status: string): Promise<void> {
    if (this.#ended) return;
    this.#pendingWatch?.flush();
    this.#ended = true;
    const said = status === "exited" ? undefined : await this.#errorDescription();
    const errorDescription = (said ?? this.#guest.lastWords()).slice(0, 4_000);
    this.#log.warn({ status, errorDescription }, "the incoming migration failed");
    const identity = { migrationId: this.id, vm: this.#guest.vm, epoch: this.epoch };
    this.#emit({ type: "migration.failed", side: "target", status, errorDescription, ...identity });
    this.hooks.failed();
    this.#end(0);
  }

  async #errorDescription(): Promise<string | undefined> {
    try {
      return (await this.#guest.qmp.execute("query-migrate"))["error-desc"];
    } catch {
      return undefined;
    }
  }

  #end(linkMs: number): void {
    this.#ended = true;
    this.#letGo();
    setTimeout(() => this.#server?.close(), linkMs).unref();
    if (!this.#guest.isAlive) return;
    this.#tls.remove();
    forget(this.#guest, this.id, this.#log);
  }
}

function toUri(addresses: readonly SocketAddress[] | undefined, address: string): string {
  const port = addresses?.find((entry) => entry.type === "inet")?.port;
  if (port === undefined)
    throw new CommandRefusedError("qemu", "QEMU does not say where it listens");
  return `tcp:${hostPart(address)}:${port}`;
}
