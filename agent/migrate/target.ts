import type { ArgsOf, ResultOf } from "../../core/command.ts";
import type { MigrationId } from "../../core/id.ts";
import { CommandRefusedError } from "../command-error.ts";
import type { Guest } from "../guest/guest.ts";
import type { Log } from "../log.ts";
import type { SocketAddress } from "../qmp/migration.ts";
import { HandoverServer } from "./handover.ts";
import { applySettings } from "./settings.ts";
import type { Emit } from "./source.ts";

type TargetOptions = {
  guest: Guest;
  id: MigrationId;
  epoch: number;
  emit: Emit;
  log: Log;
  /** Address to listen on for the stream and the handover link. */
  address: string;
};

const RUN_MS = 60_000;

/**
 * The target's reflexes: QEMU is paused and loads; the word of the source's agent over the handover
 * link, and nothing else but an explicit command of the cloud, lets the guest run.
 */
export class TargetMigration {
  readonly id: MigrationId;
  readonly epoch: number;
  readonly #guest: Guest;
  readonly #emit: Emit;
  readonly #log: Log;
  readonly #address: string;
  readonly #unsubscribe: (() => void)[] = [];
  #server: HandoverServer | undefined;
  #running: Promise<void> | undefined;
  #ended = false;

  constructor(options: TargetOptions) {
    this.id = options.id;
    this.epoch = options.epoch;
    this.#guest = options.guest;
    this.#emit = options.emit;
    this.#log = options.log.child({ migrationId: options.id, role: "target" });
    this.#address = options.address;
  }

  get linkUp(): boolean {
    return this.#server?.linkUp ?? false;
  }

  /** Sets QEMU up and listens; capabilities strictly before migrate-incoming. */
  async prepare(args: ArgsOf<"target.prepare">): Promise<ResultOf<"target.prepare">> {
    const { qmp } = this.#guest;
    this.#listen();
    const [, server] = await Promise.all([this.#receive(args), this.#serve(0, args.handoverKey)]);
    const handover = { address: this.#address, port: server.port };
    this.#guest.note({
      migration: {
        id: this.id,
        epoch: this.epoch,
        role: "target",
        over: false,
        handover: { ...handover, key: args.handoverKey },
      },
    });
    const info = await qmp.execute("query-migrate");
    return {
      migrationUri: toUri(info["socket-address"], this.#address),
      handover,
      pid: this.#guest.manifest.pid,
      startMs: this.#guest.startMs,
    };
  }

  /** Goes on with a migration of an earlier life of this agent. */
  async takeUp(): Promise<void> {
    this.#listen();
    const handover = this.#guest.manifest.migration?.handover;
    if (handover) await this.#serve(handover.port, handover.key);
    const { status } = await this.#guest.qmp.execute("query-status");
    // Leave to run was written down, but the agent died before, or just after, it said `cont`.
    if (this.#guest.manifest.everRan && status !== "running") await this.run();
    else if (status === "running") this.#onRunning(Date.now());
  }

  /**
   * Lets the guest run. Leave to run is durable before `cont`: from then on nobody may resume the
   * source, whatever happens. Once; a repeated call waits for the same.
   */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  close(): void {
    this.#ended = true;
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#server?.close();
  }

  async #run(): Promise<void> {
    const { qmp } = this.#guest;
    this.#guest.note({ everRan: true });
    const resumed = qmp.waitFor((event) => event.name === "RESUME", { timeoutMs: RUN_MS });
    resumed.catch(() => undefined);
    await qmp.execute("cont", {}, { timeoutMs: RUN_MS });
    const { timestampMs } = await resumed;
    this.#onRunning(timestampMs);
  }

  #onRunning(atMs: number): void {
    if (this.#ended) return;
    const identity = { migrationId: this.id, vm: this.#guest.vm, epoch: this.epoch };
    this.#emit({ type: "migration.target-running", ...identity }, atMs);
    this.#end();
  }

  async #receive(args: ArgsOf<"target.prepare">): Promise<void> {
    const { qmp } = this.#guest;
    await applySettings(qmp, args.settings);
    const probe = await this.#guest.probe();
    await qmp.execute("migrate-incoming", {
      uri: `tcp:${this.#address}:0`,
      // A target that stays tells why it failed; the cloud has it ended.
      ...(probe.exitOnError ? { "exit-on-error": false } : {}),
    });
  }

  async #serve(port: number, key: string): Promise<HandoverServer> {
    const server = await HandoverServer.listen({
      address: this.#address,
      port,
      key,
      migrationId: this.id,
      onCompleted: () => this.run(),
    });
    this.#server = server;
    return server;
  }

  #listen(): void {
    const { qmp } = this.#guest;
    this.#unsubscribe.push(
      qmp.on("MIGRATION", (event) => {
        if (event.data.status === "failed") void this.#onFailed("failed");
      }),
    );
    void this.#guest.ended.then((ended) => ended && void this.#onFailed("gone"));
  }

  async #onFailed(status: string): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const info =
      status === "gone"
        ? undefined
        : await this.#guest.qmp.execute("query-migrate").catch(() => undefined);
    const errorDescription = info?.["error-desc"] ?? this.#guest.lastWords();
    this.#log.warn({ status, errorDescription }, "the incoming migration failed");
    const identity = { migrationId: this.id, vm: this.#guest.vm, epoch: this.epoch };
    this.#emit({ type: "migration.failed", role: "target", status, errorDescription, ...identity });
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    const memory = this.#guest.manifest.migration;
    if (!memory || !this.#guest.isAlive) return;
    const { handover: _, ...rest } = memory;
    this.#guest.note({ migration: { ...rest, over: true } });
    // The source may still be waiting for the word that the guest runs.
    setTimeout(() => this.#server?.close(), 5_000).unref();
  }
}

function toUri(addresses: readonly SocketAddress[] | undefined, address: string): string {
  const port = addresses?.find((entry) => entry.type === "inet")?.port;
  if (port === undefined)
    throw new CommandRefusedError("qemu", "QEMU does not say where it listens");
  return `tcp:${address}:${port}`;
}
