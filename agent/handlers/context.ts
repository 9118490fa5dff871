import type { MigrationId } from "../../core/id.ts";
import type { Command } from "../../core/protocol/command.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Emit } from "../guest/emit.ts";
import type { Guest } from "../guest/guest.ts";
import type { Guests } from "../guest/guests.ts";
import type { Manifest } from "../guest/manifest.ts";
import type { HookRunner } from "../hooks/hook-runner.ts";
import { MigrationHooks } from "../hooks/migration-hooks.ts";
import type { AgentConfig } from "../runtime/config.ts";
import type { Log } from "../runtime/log.ts";

/** What every handler works with. There is one, from the start of the agent to its end. */
export type Context = {
  config: AgentConfig;
  guests: Guests;
  /** For all migrations of this host. */
  hookRunner: HookRunner;
  emit: Emit;
  log: Log;
};

/** The host's hooks on one side of one migration. */
export function hooksOf(
  { config, hookRunner: runner, emit, log }: Context,
  of: { vm: Command["vm"]; id: MigrationId; epoch: number; side: "source" | "target" },
): MigrationHooks {
  return new MigrationHooks({ config, runner, emit, log, ...of });
}

/** The guest's last migration has not ended on this side. */
export function isUnderWay(manifest: Manifest): boolean {
  return manifest.migration !== undefined && !manifest.migration.over;
}

/** @throws CommandRefusedError `refused` when the guest is in a migration */
export function refuseIfUnderWay({ vm, manifest }: Guest): void {
  if (!isUnderWay(manifest)) return;
  throw new CommandRefusedError(
    "refused",
    `The guest ${vm} is in migration ${manifest.migration?.id}: cancel that, or wait for its end`,
  );
}

/** A QEMU that does not answer within this stays. */
const LEFT_MS = 2_000;

/**
 * The process of a guest that has moved away from here, and whose arrival the target's agent has
 * confirmed: nothing needs it any more. It is left where nobody could discard it, such as by a host whose
 * clock was wrong.
 */
export async function findLeftSource(
  guests: Guests,
  vm: Command["vm"],
): Promise<Guest | undefined> {
  const guest = guests.find(vm);
  const { side, over, handedOverAtMs, returnedAtMs } = guest?.manifest.migration ?? {};
  const isHandedOver = side === "source" && over === true && handedOverAtMs !== undefined;
  if (guest === undefined || !isHandedOver || returnedAtMs !== undefined) return undefined;
  try {
    const { status } = await guest.qmp.execute("query-status", {}, { timeoutMs: LEFT_MS });
    return status === "postmigrate" ? guest : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Ends what an earlier move has left here, and a QEMU that was started for a migration that did not
 * come to use it.
 *
 * @throws CommandRefusedError `refused` when the VM has a process here
 */
export async function refuseIfPresent(guests: Guests, vm: Command["vm"]): Promise<void> {
  await guests.prestarted.discard(vm);
  const left = await findLeftSource(guests, vm);
  if (left !== undefined) await guests.end(left);
  if (guests.isPresent(vm)) {
    throw new CommandRefusedError(
      "refused",
      `This host already has a process or a manifest of ${vm}: stop that guest first`,
    );
  }
}

/** @throws CommandRefusedError `invalid` when the command names no migration */
export function migrationOf(command: Command) {
  if (command.migrationId) return command.migrationId;
  throw new CommandRefusedError(
    "invalid",
    `Expected ${command.verb} to name a migration, got none`,
  );
}

/** Logs that a guest takes long to start, which is usual for one with much preallocated memory. */
export function startLogger({ log }: Context, vm: Command["vm"]): (elapsedMs: number) => void {
  return (elapsedMs) =>
    log.info(
      { vm, elapsedMs: Math.round(elapsedMs) },
      "QEMU does not answer yet: it may be allocating the guest's memory",
    );
}
