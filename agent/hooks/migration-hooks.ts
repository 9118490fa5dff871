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

/** The host's hooks at one end of one migration. Each runs once in this life of the agent. */
export class MigrationHooks {
  readonly #options: Options;
  readonly #begun = new Set<HookName>();
  #mayLeave = false;
  #aborted: string | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Why a hook took the migration back; undefined: none did. */
  get aborted(): string | undefined {
    return this.#aborted;
  }

  /** @throws CommandRefusedError when the hook fails and says `abort` */
  async prepare(peerAddress?: string): Promise<void> {
    const failure = await this.#run("prepare", peerAddress);
    if (failure === undefined) return;
    this.failed();
    throw new CommandRefusedError("refused", failure);
  }

  /**
   * The guest is stopped. `go` is called at once without a hook, and again each time after the hook
   * has let it; `stop` once, when it has not.
   */
  preSwitchover(go: () => void, stop: () => void): void {
    if (this.#mayLeave || this.#options.config.hooks.preSwitchover === undefined) {
      go();
      return;
    }
    if (this.#begun.has("preSwitchover")) return;
    void this.#run("preSwitchover").then((failure) => {
      this.#aborted = failure;
      this.#mayLeave = failure === undefined;
      if (failure === undefined) go();
      else stop();
    });
  }

  /** Not waited for. */
  resumed(): void {
    void this.#run("resumed");
  }

  /** Not waited for. */
  failed(): void {
    void this.#run("failed");
  }

  /** Why the migration must not go on; undefined: it may. */
  async #run(name: HookName, peerAddress?: string): Promise<string | undefined> {
    const { config, runner, side, vm, id: migrationId, epoch, emit, log } = this.#options;
    const hook: Hook | undefined = config.hooks[name] as Hook | undefined;
    if (hook === undefined || this.#begun.has(name)) return undefined;
    this.#begun.add(name);
    const result = await runner.run(hook, {
      ...{ hook: name, side, vm, migrationId, host: config.host, address: config.migrationAddress },
      ...(peerAddress === undefined ? {} : { peerAddress }),
    });
    const level = result.outcome === "succeeded" ? "info" : "warn";
    log[level]({ migrationId, vm, hook: name, command: hook.command, ...result }, "hook has ended");
    emit({ type: "migration.hook", migrationId, vm, epoch, side, hook: name, ...result });
    if (result.outcome === "succeeded" || hook.onFailure === "continue") return undefined;
    return `The hook ${name} of ${config.host} (${hook.command[0]}) failed: ${result.detail}`;
  }
}
