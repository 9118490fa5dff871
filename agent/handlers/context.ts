import type { MigrationId } from "../../core/id.ts";
import type { Command } from "../../core/protocol/command.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Emit } from "../guest/emit.ts";
import type { Guests } from "../guest/guests.ts";
import type { Manifest } from "../guest/manifest.ts";
import type { HookRunner } from "../hooks/hook-runner.ts";
import { MigrationHooks } from "../hooks/migration-hooks.ts";
import { linkBytesPerSecond } from "../probe/link.ts";
import type { AgentConfig } from "../runtime/config.ts";
import type { Log } from "../runtime/log.ts";

/** What every handler works with: one for the life of the agent. */
export type Context = {
  config: AgentConfig;
  guests: Guests;
  /** Of this host, for all of its migrations. */
  hookRunner: HookRunner;
  emit: Emit;
  log: Log;
};

/** The host's hooks at one end of one migration. */
export function hooksOf(
  { config, hookRunner: runner, emit, log }: Context,
  end: { vm: Command["vm"]; id: MigrationId; epoch: number; side: "source" | "target" },
): MigrationHooks {
  return new MigrationHooks({ config, runner, emit, log, ...end });
}

export function linkOf({ linkBytesPerSecond: told, migrationAddress }: AgentConfig): number {
  return told ?? linkBytesPerSecond(migrationAddress);
}

export function isUnderWay(manifest: Manifest): boolean {
  return manifest.migration !== undefined && !manifest.migration.over;
}

export function refuseIfPresent(guests: Guests, vm: Command["vm"]): void {
  if (guests.isPresent(vm)) {
    throw new CommandRefusedError("refused", `This host already has a process for ${vm}`);
  }
}

export function migrationOf(command: Command) {
  if (command.migrationId) return command.migrationId;
  throw new CommandRefusedError("invalid", `${command.verb} needs a migration`);
}
