import type { MigrationId, VmId } from "../../core/id.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Emit } from "../guest/emit.ts";
import type { Hook, HookName, HooksConfig } from "../runtime/hooks-config.ts";
import type { Log } from "../runtime/log.ts";
import type { HookRunner } from "./hook-runner.ts";

type Options = {
  config: { host: string; migrationAddress: string; hooks: HooksConfig };
  runner: HookRunner;
  side: "source" | "target";
  vm: VmId;
  id: MigrationId;
  epoch: number;
  emit: Emit;
  log: Log;
};

/** The host's hooks on one side of one migration. Each runs once, until the agent restarts. */
export class MigrationHooks {
  readonly #options: Options;
  readonly #begun = new Set<HookName>();
  #hasPassed = false;
  #aborted: string | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Why a hook has aborted the migration; undefined: none has. */
  get aborted(): string | undefined {
    return this.#aborted;
  }

  /** @throws CommandRefusedError `refused` when the hook fails and its `onFailure` is `abort` */
  async prepare(peerAddress?: string): Promise<void> {
    const failure = await this.#run("prepare", peerAddress);
    if (failure === undefined) return;
    this.failed();
    throw new CommandRefusedError("refused", failure);
  }

  /**
   * Called when the guest has stopped. Without a hook it calls `go`. With one it runs the hook once and
   * then calls `go` or `stop`; later calls repeat `go` if the hook has succeeded.
   */
  preSwitchover(go: () => void, stop: () => void): void {
    if (this.#hasPassed || this.#options.config.hooks.preSwitchover === undefined) {
      go();
      return;
    }
    if (this.#begun.has("preSwitchover")) return;
    void this.#run("preSwitchover").then((failure) => {
      this.#aborted = failure;
      this.#hasPassed = failure === undefined;
      if (failure === undefined) go();
      else stop();
    });
  }

  /** Starts the hook and does not wait for it. */
  resumed(): void {
    void this.#run("resumed");
  }

  /** Starts the hook and does not wait for it. */
  failed(): void {
    void this.#run("failed");
  }

  /** @returns why the migration must not go on; undefined: it may */
  async #run(name: HookName, peerAddress?: string): Promise<string | undefined> {
    const { config, runner, side, vm, id: migrationId, epoch, emit, log } = this.#options;
    const hook: Hook | undefined = config.hooks[name] as Hook | undefined;
    if (hook === undefined || this.#begun.has(name)) return undefined;
    this.#begun.add(name);
    const result = await runner.run(hook, {
      hook: name,
      side,
      vm,
      migrationId,
      host: config.host,
      address: config.migrationAddress,
      ...(peerAddress === undefined ? {} : { peerAddress }),
    });
    const level = result.outcome === "succeeded" ? "info" : "warn";
    log[level]({ migrationId, vm, hook: name, command: hook.command, ...result }, "hook has ended");
    emit({ type: "migration.hook", migrationId, vm, epoch, side, hook: name, ...result });
    if (result.outcome === "succeeded" || hook.onFailure === "continue") return undefined;
    return `The hook ${name} of ${config.host} (${hook.command[0]}) failed: ${result.detail}; its output is in the event migration.hook`;
  }
}
