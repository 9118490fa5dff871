import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../client/api-error.ts";
import { isFinal, type Migration } from "../../core/migration/migration.ts";
import type { Command } from "../../core/protocol/command.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import { countTransitions } from "../../demo/summary.ts";
import { type HostSnapshot, saveHost } from "../../rig/host-crash.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { type Bed, COPIED } from "./bed.ts";
import { check } from "./check.ts";
import { describeStrike, type Moment, type Plan, type Strike } from "./plan.ts";
import type { Site } from "./site.ts";
import { applyFault } from "./strike.ts";
import { TcpRelay } from "./tcp-relay.ts";
import { Witness } from "./witness.ts";

/** Six turns at a side that does not answer take 25 s each, after 30 s of waiting for an event. */
const END_MS = 300_000;
/** A message is held back no longer than this. */
const HOLD_MS_MAX = 5_000;
/** Of the last part of a gated migration, so that the guest is stopped for a while. */
const TRICKLE_BYTES_PER_SECOND = 1_000_000;
/** Each read of the record costs the coordinator more time than its own work. */
const POLL_MS = 500;
const PERMIT_LATEST_MS = 30_000;

/** QEMU serves a copied disk to the source by TLS only. */
const COPYING = { tls: "psk", storage: { [COPIED]: "move" } };

export type Outcome = {
  migration: Migration;
  /** The strikes that took place. */
  hit: Strike[];
  violations: string[];
  transitions: number;
  /** What the run did and observed, each with ms since its start. */
  log: string[];
  /** The host that the guest runs on now; undefined: none. */
  runsOn: string | undefined;
};

/** One migration under one plan: moves the guest, applies the faults, and checks the result. */
export class Run {
  readonly source: string;
  readonly target: string;
  readonly #bed: Bed;
  readonly #plan: Plan;
  readonly #startedMs = performance.now();
  readonly #log: string[] = [];
  readonly #hit: Strike[] = [];
  readonly #reached = new Set<Moment>();
  /** Work under way; awaited before the result is checked. */
  readonly #pending = new Set<Promise<void>>();
  readonly #starts = new Map<string, { uri: string; port: number }>();
  #stream: TcpRelay | undefined;
  #handover: TcpRelay | undefined;
  /** What the target listens on. */
  readonly #ports: { stream?: number; handover?: number } = {};
  readonly #before: Record<string, HostSnapshot> = {};
  readonly #ended = Promise.withResolvers<void>();
  /** The migration's id is known: its first command may be faster than the answer to the request. */
  readonly #asked = Promise.withResolvers<void>();
  #witness: Witness | undefined;
  #migrationId = "";
  #over = false;

  private constructor(bed: Bed, plan: Plan, ends: { source: string; target: string }) {
    this.#bed = bed;
    this.#plan = plan;
    this.source = ends.source;
    this.target = ends.target;
  }

  /** @throws Error when the installation cannot be used any more */
  static async go(bed: Bed, plan: Plan): Promise<Outcome> {
    const run = new Run(bed, plan, await bed.ends());
    return run.#go();
  }

  async #go(): Promise<Outcome> {
    const { fleet, proxy, vm } = this.#bed;
    const pids = [fleet.guestPid(this.source, vm)];
    const witness = new Witness({
      source: fleet.serialLog(this.source, vm),
      target: fleet.serialLog(this.target, vm),
    });
    this.#witness = witness;
    this.#saveHosts();
    proxy.hooks = {
      onCommand: (command) => this.#onCommand(command),
      onEvent: (body) => this.#onEvent(body),
    };
    try {
      const { policy } = this.#plan;
      const copying = this.#bed.isCopied ? COPYING : {};
      const body = { vm, target: this.target, policy: { ...policy, ...copying } };
      const { id } = await this.#bed.api<Migration>("POST", "/v1/migrations", body);
      this.#migrationId = id;
      this.#asked.resolve();
      this.#record(`${id}: ${vm} from ${this.source} (QEMU ${pids[0]}) to ${this.target}`);
      await this.#reach("asked");
      this.#later(this.#permitInTheEnd());
      const ended = await this.#end().catch((error: unknown) => error);
      witness.stopMeasuring();
      this.#ended.resolve();
      if (ended instanceof Error) return await this.#unended(ended);
      const migration = ended as Migration;
      this.#over = true;
      if (this.#ports.handover !== undefined) this.#bed.noteLink(this.#ports.handover);
      this.#record(`ended: ${migration.status} ${migration.failure?.code ?? ""}`);
      while (this.#pending.size > 0) await Promise.all(this.#pending);
      proxy.clear();
      this.#bed.switches.clear("functions");
      this.#handover?.stall(false);
      const found = await check({
        bed: this.#bed,
        witness,
        migration,
        targetRan: this.#reached.has("running"),
        targetLoaded: this.#reached.has("loaded"),
        strikes: this.#hit,
      });
      // A host that registered in the future takes no command of the present.
      const mayBeRefused = this.#bed.hasClockJumped;
      if (this.#hit.length === 0 && migration.status !== "completed" && !mayBeRefused) {
        found.violations.push(`${migration.status}, and nothing struck`);
      }
      return { migration, hit: this.#hit, log: this.#log, ...found };
    } finally {
      this.#over = true;
      this.#ended.resolve();
      witness.close();
      proxy.clear();
      this.#stream?.close();
      this.#handover?.close();
    }
  }

  async #unended(error: Error): Promise<Outcome> {
    const migration = await this.#read();
    const { environment } = this.#bed.fleet;
    const transitions = await countTransitions(migration.executionArn ?? "", environment);
    const violations = [error.message];
    return {
      migration,
      hit: this.#hit,
      log: this.#log,
      violations,
      transitions,
      runsOn: undefined,
    };
  }

  #read(): Promise<Migration> {
    return this.#bed.api<Migration>("GET", `/v1/migrations/${this.#migrationId}`);
  }

  #end(): Promise<Migration> {
    return waitUntil(
      `the end of ${this.#migrationId}`,
      async () => {
        const migration = await this.#read();
        return isFinal(migration.status) ? migration : undefined;
      },
      { timeoutMs: END_MS, everyMs: POLL_MS },
    );
  }

  async #onCommand(command: Command): Promise<Command> {
    this.#record(`command ${command.verb} to ${command.host}`);
    await Promise.race([this.#asked.promise, this.#ended.promise]);
    if (command.migrationId !== this.#migrationId) return command;
    if (command.verb === "source.probe") await this.#reach("probe");
    if (command.verb === "target.prepare") await this.#reach("preparing");
    if (command.verb !== "source.start") return command;
    const rewritten = await this.#throughRelays(command);
    await this.#reach("starting");
    return rewritten;
  }

  async #onEvent(body: EventBody): Promise<void> {
    if (body.type !== "migration.progress") {
      const about = "commandId" in body ? ` ${body.commandId.split(".").slice(1).join(".")}` : "";
      this.#record(`event ${body.type}${about}${"error" in body ? ` ${body.error.message}` : ""}`);
    }
    if (body.type === "command.completed" && body.commandId.includes(".prepare.")) {
      this.#notePorts(body.result);
      return this.#reach("prepared");
    }
    if (body.type === "migration.started") return this.#reach("started");
    if (body.type === "migration.held") return this.#onHeld();
    if (body.type === "migration.target-arrived") return this.#reach("running");
    if (body.type === "migration.stopped" && this.#plan.gated) await this.#onStopped();
  }

  #notePorts(result: unknown): void {
    const prepared = result as { migrationUri?: string; handover?: { port?: number } };
    this.#ports.stream = Number(prepared.migrationUri?.split(":").at(-1));
    if (prepared.handover?.port === undefined) return;
    this.#ports.handover = prepared.handover.port;
    this.#bed.noteLink(prepared.handover.port);
  }

  /** Only for a plan that needs it: copying takes its time. */
  #saveHosts(): void {
    for (const { fault } of this.#plan.strikes) {
      if (fault.kind !== "crash" || fault.left !== "before") continue;
      const host = fault.victim === "source-host" ? this.source : this.target;
      this.#before[host] = saveHost(this.#bed.fleet, host);
    }
  }

  async #onHeld(): Promise<void> {
    await this.#reach("held");
    this.#later(this.#permit());
  }

  async #onStopped(): Promise<void> {
    await this.#reach("stopped");
    this.#later(sleep(200).then(() => this.#stream?.slow(Number.POSITIVE_INFINITY)));
  }

  async #throughRelays(command: Command): Promise<Command> {
    const args = command.args as { migrationUri: string; handover: { port: number } };
    let start = this.#starts.get(command.id);
    if (!start) {
      const port = Number(args.migrationUri.split(":").at(-1));
      this.#stream = await TcpRelay.start(
        { host: "127.0.0.1", port },
        { onAck: () => this.#reach("acked"), onShut: () => this.#onShut() },
      );
      this.#handover = await TcpRelay.start({ host: "127.0.0.1", port: args.handover.port });
      start = { uri: `tcp:127.0.0.1:${this.#stream.port}`, port: this.#handover.port };
      this.#starts.set(command.id, start);
    }
    const handover = { address: "127.0.0.1", port: start.port };
    return { ...command, args: { ...args, migrationUri: start.uri, handover } };
  }

  async #onShut(): Promise<"pass" | "lose"> {
    this.#record("the target has the whole guest");
    await this.#reach("loaded");
    if (this.#plan.strikes.some(({ fault }) => fault.kind === "lose-last-message")) return "lose";
    if (this.#aims("handing")) {
      this.#handover?.stall(true);
      // By then the source has completed, and its agent's report has not reached the target.
      this.#later(sleep(100).then(() => this.#handing()));
    }
    return "pass";
  }

  async #handing(): Promise<void> {
    await this.#reach("handing");
    this.#handover?.stall(false);
  }

  #aims(moment: Moment): boolean {
    return this.#plan.strikes.some(({ at }) => at === moment);
  }

  /** Starts the strikes aimed at this moment; the message waits for those without a delay. */
  async #reach(moment: Moment): Promise<void> {
    if (this.#reached.has(moment) || this.#over) return;
    this.#reached.add(moment);
    const due = this.#plan.strikes.filter(({ at }) => at === moment);
    for (const strike of due) {
      const work = this.#strike(strike);
      this.#later(work.done);
      if (strike.afterMs === 0) await Promise.race([work.struck, sleep(HOLD_MS_MAX)]);
    }
  }

  /**
   * `struck`: the fault has begun; `done`: it is over, and killed parts have been started again.
   */
  #strike(strike: Strike): { struck: Promise<void>; done: Promise<void> } {
    const struck = Promise.withResolvers<void>();
    const done = (async () => {
      if (strike.afterMs > 0) await sleep(strike.afterMs);
      if (this.#over) return struck.resolve();
      this.#record(`STRIKE ${describeStrike(strike)}`);
      this.#hit.push(strike);
      const { fault } = strike;
      if (fault.kind === "clock-jump" && fault.victim === "coordinator") {
        this.#bed.hasClockJumped = true;
      }
      if (strike.fault.kind === "guest-act" && strike.fault.action === "reset") this.#onReset();
      const rest = applyFault(strike.fault, this.#site());
      struck.resolve();
      await rest;
    })();
    return { struck: struck.promise, done };
  }

  #onReset(): void {
    this.#bed.boots += 1;
    if (this.#witness) this.#witness.mayRestart = true;
  }

  #site(): Site {
    return {
      bed: this.#bed,
      source: this.source,
      target: this.target,
      relay: (link) => (link === "stream" ? this.#stream : this.#handover),
      ports: this.#ports,
      before: this.#before,
      executionArn: async () => (await this.#read()).executionArn ?? "",
      ended: this.#ended.promise,
      cancel: () => this.#later(this.#ask("cancel")),
      log: (text) => this.#record(text),
    };
  }

  async #permit(): Promise<void> {
    await sleep(this.#plan.permitAfterMs);
    // From here on the rest is sent slowly, so that the guest is stopped long enough to be struck.
    if (this.#aims("stopped")) this.#stream?.slow(TRICKLE_BYTES_PER_SECOND);
    await this.#ask("switchover");
  }

  /** The event that it holds may be lost with an agent. */
  async #permitInTheEnd(): Promise<void> {
    if (!this.#plan.gated) return;
    const latestMs = performance.now() + PERMIT_LATEST_MS;
    while (!this.#over && performance.now() < latestMs) await sleep(100);
    if (!this.#over) await this.#ask("switchover");
  }

  async #ask(what: "cancel" | "switchover"): Promise<void> {
    try {
      await this.#bed.api("POST", `/v1/migrations/${this.#migrationId}/${what}`);
      this.#record(`${what}: accepted`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#record(`${what}: ${error.message}`);
    }
  }

  #later(work: Promise<void>): void {
    const kept = work
      .catch((error: unknown) => this.#record(`the harness itself failed: ${String(error)}`))
      .finally(() => this.#pending.delete(kept));
    this.#pending.add(kept);
  }

  #record(text: string): void {
    this.#log.push(`${Math.round(performance.now() - this.#startedMs)} ${text}`);
  }
}
