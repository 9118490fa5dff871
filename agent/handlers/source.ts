import type { ArgsOf, Command, ResultOf } from "../../core/protocol/command.ts";
import type { Observation } from "../../core/protocol/observation.ts";
import { isStoppedBySwitchover, needsResume } from "../../core/qemu/run-state.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { SourceMigration } from "../migrate/source/migration.ts";
import { runStateBefore } from "../migrate/source/setup.ts";
import { removeLeft } from "../storage/copy-images.ts";
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
 * Takes a guest back that the switchover has stopped, and lets it run if it ran before. One that stood
 * still is left so: QEMU has no way back to that from `postmigrate` but to run it, which is its
 * operator's to decide.
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
  const before = runStateBefore(guest);
  if (before === "suspended" && info.status === "completed") {
    throw new CommandRefusedError(
      "refused",
      "The guest was suspended before it migrated away: QEMU aborts when it is resumed here (invalid runstate transition: 'postmigrate' -> 'suspended'), and its memory would be lost",
    );
  }
  // The link repeats `completed` on each new connection: after `cont` that would run both sides.
  guests.setMigrating(command.vm, undefined);
  guest.noteReturned(Date.now());
  if (needsResume(before)) await guest.qmp.execute("cont");
  return observe(context, command);
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
  const { copies } = guest.manifest.migration ?? {};
  await guests.end(guest);
  removeLeft(copies?.toRemove ?? []);
  return { discarded: true };
}
