import { join } from "node:path";
import { CommandLog } from "../../../agent/command/command-log.ts";
import { Dispatcher } from "../../../agent/command/dispatcher.ts";
import { Guests } from "../../../agent/guest/guests.ts";
import { readManifests } from "../../../agent/guest/manifest.ts";
import type { Context } from "../../../agent/handlers/context.ts";
import { createHandlers } from "../../../agent/handlers/handlers.ts";
import { reattach } from "../../../agent/handlers/reattach.ts";
import { HookRunner } from "../../../agent/hooks/hook-runner.ts";
import { AgentConfig } from "../../../agent/runtime/config.ts";
import { createLog } from "../../../agent/runtime/log.ts";
import { sendSignal, waitForEnd } from "../../../agent/runtime/process.ts";
import { CommandId, HostId, type MigrationId, VmId } from "../../../core/id.ts";
import type { ArgsOf, Command, ResultOf, Verb } from "../../../core/protocol/command.ts";
import type { EventBody } from "../../../core/protocol/event.ts";
import { ownedFolder, removeFolder } from "../../../rig/owned-folder.ts";

type HostOptions = { qemu: string | undefined; folder?: string; config?: object };

/** A host's agent without a cloud: commands go in by `run`, events come out in `events`. */
export class TestHost {
  readonly id: HostId;
  readonly folder: string;
  readonly config: AgentConfig;
  readonly guests: Guests;
  readonly dispatcher: Dispatcher;
  readonly commands: CommandLog;
  readonly events: { body: EventBody; atMs: number }[] = [];
  readonly #context: Context;
  #next = 1;

  /** `qemu`: what its guests are started with. */
  constructor(name: string, options: HostOptions) {
    this.id = HostId.parse(name);
    const { qemu } = options;
    this.folder = options.folder ?? ownedFolder();
    this.config = AgentConfig.parse({
      host: name,
      apiUrl: "http://127.0.0.1:9",
      joinTokenFile: "/nonexistent",
      runDir: join(this.folder, "r"),
      stateDir: join(this.folder, "s"),
      memoryBytes: 2 ** 30,
      progressIntervalMs: 200,
      // Beside other tests: no two of them share a range.
      migrationPorts: { min: 0, max: 0 },
      ...(qemu === undefined ? {} : { qemu }),
      ...options.config,
    });
    const log = createLog(name);
    log.level = process.env.LOG_LEVEL ?? "silent";
    const emit = (body: EventBody, atMs = Date.now()) => void this.events.push({ body, atMs });
    this.guests = new Guests({
      runDir: this.config.runDir,
      stateDir: this.config.stateDir,
      log,
      onExit: (vm, detail, causes) => emit({ type: "guest.exited", vm, detail, ...causes }),
      onRunState: (vm, { atMs, ...change }) =>
        emit({ type: "guest.run-state", vm, ...change }, atMs),
    });
    this.commands = new CommandLog(this.config.stateDir);
    this.#context = {
      config: this.config,
      guests: this.guests,
      hookRunner: new HookRunner(),
      emit,
      log,
    };
    this.dispatcher = new Dispatcher({
      host: this.id,
      handlers: createHandlers(this.#context),
      commands: this.commands,
      emit: (body) => emit(body),
      log,
    });
  }

  command<V extends Verb>(
    verb: V,
    vm: string,
    args: ArgsOf<V>,
    rest: { migrationId?: MigrationId; epoch?: number; id?: string } = {},
  ): Command {
    const now = Date.now();
    this.#next += 1;
    return {
      id: CommandId.parse(rest.id ?? `test.${verb.replace(".", "-")}.${this.#next}`),
      host: this.id,
      vm: VmId.parse(vm),
      epoch: rest.epoch ?? 1,
      verb,
      args,
      issuedAt: new Date(now).toISOString(),
      expiresAt: new Date(now + 60_000).toISOString(),
      ...(rest.migrationId ? { migrationId: rest.migrationId } : {}),
    };
  }

  /** Runs a command to its answer. @throws Error with the code and message of a refused one. */
  async run<V extends Verb>(
    verb: V,
    vm: string,
    args: ArgsOf<V>,
    rest: { migrationId?: MigrationId; epoch?: number; id?: string } = {},
  ): Promise<ResultOf<V>> {
    const command = this.command(verb, vm, args, rest);
    await this.dispatcher.take(command);
    const answer = this.commands.answerOf(command.id);
    if (answer === undefined) throw new Error(`No answer to ${command.id}`);
    if ("error" in answer) throw new Error(`${answer.error.code}: ${answer.error.message}`);
    return answer.result as ResultOf<V>;
  }

  typesOf(): string[] {
    return this.events.map((event) => event.body.type);
  }

  vm(name: string): VmId {
    return VmId.parse(name);
  }

  /** Waits for an event of this type. @throws Error with what came instead. */
  async waitFor<T extends EventBody["type"]>(type: T, timeoutMs = 20_000) {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = this.events.find(({ body }) => body.type === type);
      if (found) return found as { atMs: number; body: Extract<EventBody, { type: T }> };
      if (performance.now() > deadline) {
        throw new Error(`Expected ${type} of ${this.id}, got ${this.typesOf().join(", ")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Starts the host's agent again, on the same folder; `meanwhile` runs without an agent. */
  async restart(meanwhile?: () => Promise<void>): Promise<TestHost> {
    await this.#stop();
    await meanwhile?.();
    const { qemu, tls, hooks, resources } = this.config;
    const config = { tls, hooks, resources };
    const next = new TestHost(this.id, { qemu, folder: this.folder, config });
    next.#next = this.#next + 1_000;
    await reattach(next.#context);
    return next;
  }

  /** Ends all QEMUs that this host started and removes its folder. */
  async close(): Promise<void> {
    const known = readManifests(this.config.runDir, () => undefined);
    await this.#stop();
    for (const { manifest } of known) {
      if (manifest.adopted) continue;
      sendSignal(manifest, "SIGKILL");
      await waitForEnd(manifest, 5_000);
    }
    removeFolder(this.folder);
  }

  async #stop(): Promise<void> {
    this.#context.hookRunner.close();
    await this.guests.close();
    this.commands.close();
  }
}
