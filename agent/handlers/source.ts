import type { ArgsOf, Command, ResultOf } from "../../core/protocol/command.ts";
import type { Observation } from "../../core/protocol/observation.ts";
import { isStoppedBySwitchover, needsResume } from "../../core/qemu/run-state.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { SourceMigration } from "../migrate/source/migration.ts";
import { runStateBefore } from "../migrate/source/setup.ts";
import { type Context, hooksOf, isUnderWay, migrationOf } from "./context.ts";
import { observe } from "./observe.ts";

export async function startSource(
  context: Context,
  command: Command,
  args: ArgsOf<"source.start">,
): Promise<ResultOf<"source.start">> {
  const { config, guests, emit, log } = context;
  const { vm, epoch } = command;
  const guest = guests.get(vm);
  if (isUnderWay(guest.manifest)) {
    const { id } = guest.manifest.migration ?? {};
    throw new CommandRefusedError("refused", `The guest ${vm} is being migrated already (${id})`);
  }
  const { progressIntervalMs, tls, resources } = config;
  const id = migrationOf(command);
  const hooks = hooksOf(context, { vm, id, epoch, side: "source" });
  const options = { guest, id, epoch, emit, log, progressIntervalMs, tls, hooks, resources };
  const migration = new SourceMigration(options);
  guests.setMigrating(vm, migration);
  await migration.start(args);
  return { startedAtMs: Date.now() };
}

export async function permitSource(
  context: Context,
  command: Command,
): Promise<ResultOf<"source.permit">> {
  await sourceOf(context, command).permit("command");
  return { permitted: true };
}

export function sourceOf({ guests }: Context, { vm, migrationId }: Command): SourceMigration {
  const migrating = guests.migrating(vm);
  if (migrating instanceof SourceMigration && migrating.id === migrationId) return migrating;
  throw new CommandRefusedError("refused", `${vm} is not the source of that migration here`);
}

export async function cancelSource(context: Context, command: Command): Promise<Observation> {
  const migrating = context.guests.migrating(command.vm);
  if (migrating instanceof SourceMigration) await migrating.cancel();
  return observe(context, command);
}

/**
 * Lets a guest run that the switchover has stopped. One that is not running for its own reason, such as
 * an I/O error or an operator's `stop`, is left so: the observation has its run state.
 */
export async function resumeSource(context: Context, command: Command): Promise<Observation> {
  const { guests } = context;
  const guest = guests.get(command.vm);
  const [info, { status: runState }] = await Promise.all([
    guest.qmp.execute("query-migrate"),
    guest.qmp.execute("query-status"),
  ]);
  if (isUnderWay(guest.manifest)) {
    throw new CommandRefusedError("refused", `The migration has not ended (${info.status})`);
  }
  if (!isStoppedBySwitchover(runState)) return observe(context, command);
  refuseToResume(runStateBefore(guest), info.status);
  // The link repeats `completed` on each new connection: after `cont` that would run both sides.
  guests.setMigrating(command.vm, undefined);
  await guest.qmp.execute("cont");
  return observe(context, command);
}

/** @throws CommandRefusedError when `cont` would lose or change the guest */
function refuseToResume(before: string, status: string | undefined): void {
  if (before === "suspended" && status === "completed") {
    throw new CommandRefusedError(
      "refused",
      "The guest was suspended before it migrated away: QEMU aborts when it is resumed here (invalid runstate transition: 'postmigrate' -> 'suspended'), and its memory would be lost",
    );
  }
  if (!needsResume(before)) {
    throw new CommandRefusedError(
      "refused",
      `The guest was not running before the migration (${before}), and QEMU has no way back to that but to run it: it remains as it is`,
    );
  }
}

export async function discardSource(
  { guests }: Context,
  command: Command,
): Promise<ResultOf<"source.discard">> {
  const guest = guests.find(command.vm);
  if (!guest) return { discarded: true };
  const [info, status] = await Promise.all([
    guest.qmp.execute("query-migrate"),
    guest.qmp.execute("query-status"),
  ]);
  const isFinished = info.status === "completed" && !status.running;
  if (!isFinished || guest.manifest.migration?.id !== command.migrationId) {
    throw new CommandRefusedError(
      "refused",
      `The source is not finished: migration ${info.status ?? "none"}, guest ${status.status}`,
    );
  }
  await guests.end(guest);
  return { discarded: true };
}
