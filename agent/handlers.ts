import { existsSync } from "node:fs";
import type { ArgsOf, Command, ResultOf, Verb } from "../core/command.ts";
import type { EventBody } from "../core/event.ts";
import type { MigrationId } from "../core/id.ts";
import type { ProcessReport } from "../core/report.ts";
import { CommandRefusedError } from "./command-error.ts";
import type { AgentConfig } from "./config.ts";
import type { Handlers } from "./dispatcher.ts";
import { Guest } from "./guest/guest.ts";
import type { Manifest } from "./guest/manifest.ts";
import { waitForEnd } from "./guest/process.ts";
import { missingResources } from "./guest/resources.ts";
import type { Guests } from "./guests.ts";
import { MigrationHooks } from "./hooks/migration-hooks.ts";
import type { Log } from "./log.ts";
import { SourceMigration } from "./migrate/source.ts";
import { TargetMigration } from "./migrate/target.ts";
import { tlsKinds } from "./migrate/tls.ts";
import { describeBinary } from "./probe/binary.ts";
import { machineType, probeGuest } from "./probe/guest.ts";
import { accelerators, userfaultfd } from "./probe/host.ts";
import { linkBytesPerSecond } from "./probe/link.ts";
import { aboutMachine } from "./probe/qemu.ts";

export type Context = {
  config: AgentConfig;
  guests: Guests;
  put: (body: EventBody, atMs?: number) => void;
  log: Log;
};

/** QEMU must say what it sees within this, or it is called silent. */
const LOOK_MS = 5_000;
const POWERDOWN_MS = 90_000;

type Typed = { [V in Verb]: (command: Command, args: ArgsOf<V>) => Promise<ResultOf<V>> };

/** What each verb does on this host. The dispatcher has checked the arguments. */
export function createHandlers(context: Context): Handlers {
  const { guests } = context;
  const typed: Typed = {
    "guest.start": (command, args) => startGuest(context, command, args),
    "guest.adopt": (command, args) => adoptGuest(context, command, args),
    "guest.stop": (command, args) => stopGuest(context, command, args),
    "source.probe": ({ vm }) => probeGuest(guests.get(vm), linkOf(context.config), context.config),
    "target.probe": (command, args) => probeTarget(context, command, args),
    "target.prepare": (command, args) => prepareTarget(context, command, args),
    "source.start": (command, args) => startSource(context, command, args),
    "source.release": (command) => releaseSource(context, command),
    "source.set": async (command, args) => sourceOf(context, command).limit(args),
    "migration.observe": (command) => observe(context, command),
    "source.cancel": (command) => cancelSource(context, command),
    "source.resume": (command) => resumeSource(context, command),
    "target.resume": (command, args) => resumeTarget(context, command, args),
    "target.discard": (command) => discardTarget(context, command),
    "target.recover": (command) => targetOf(context, command).recover(),
    "source.recover": async (command, { migrationUri }) => ({
      status: await sourceOf(context, command).postcopy.recover(migrationUri),
    }),
    "source.discard": (command) => discardSource(context, command),
  };
  return typed as Handlers;
}

async function startGuest(
  { config, guests }: Context,
  { vm }: Command,
  { definition }: ArgsOf<"guest.start">,
): Promise<ResultOf<"guest.start">> {
  refuseIfPresent(guests, vm);
  const { sandbox, probe } = await describeBinary(config.qemu, config.stateDir);
  const { qemu, runDir, resources } = config;
  const process = { qemu, runDir, sandbox, probe, resources };
  const guest = await Guest.start({ vm, definition, ...process, incoming: false });
  guests.add(guest);
  try {
    return await finishDefinition(guest);
  } catch (error) {
    // The caller will not know of it: it must not be left.
    await guests.end(guest);
    throw error;
  }
}

async function adoptGuest(
  { guests }: Context,
  { vm }: Command,
  { definition, qmpPath }: ArgsOf<"guest.adopt">,
): Promise<ResultOf<"guest.adopt">> {
  refuseIfPresent(guests, vm);
  if (!existsSync(qmpPath)) {
    throw new CommandRefusedError("not-found", `There is no socket at ${qmpPath}`);
  }
  const guest = await Guest.adopt({ vm, definition, qmpPath, runDir: guests.runDir });
  guests.add(guest);
  try {
    return await finishDefinition(guest);
  } catch (error) {
    await guests.release(guest);
    throw error;
  }
}

/** The machine type is written down as what it really is: an alias means another one elsewhere. */
async function finishDefinition(guest: Guest): Promise<ResultOf<"guest.start">> {
  const machine = await machineType(guest.qmp);
  guest.note({ definition: { ...guest.manifest.definition, machine } });
  // Asked now, so that the first migration need not wait for it.
  await guest.probe();
  return { definition: guest.manifest.definition, pid: guest.manifest.pid };
}

async function stopGuest(
  { guests, log }: Context,
  { vm }: Command,
  { mode }: ArgsOf<"guest.stop">,
): Promise<ResultOf<"guest.stop">> {
  const guest = guests.find(vm);
  if (!guest) return { stopped: true };
  if (isUnderWay(guest.manifest)) {
    throw new CommandRefusedError("refused", `The guest ${vm} is being migrated`);
  }
  await guests.end(guest, mode === "powerdown" ? () => powerDown(guest) : undefined);
  log.info({ vm, mode }, "guest stopped");
  return { stopped: true };
}

async function powerDown(guest: Guest): Promise<void> {
  await guest.qmp.execute("system_powerdown");
  if (await waitForEnd(guest.manifest, POWERDOWN_MS, { everyMs: 50 })) return;
  throw new CommandRefusedError("timeout", `The guest ${guest.vm} has not powered down`);
}

async function probeTarget(
  { config, guests }: Context,
  { vm }: Command,
  { definition }: ArgsOf<"target.probe">,
): Promise<ResultOf<"target.probe">> {
  const { probe: qemu } = await describeBinary(config.qemu, config.stateDir);
  return {
    qemu: aboutMachine(qemu, definition.machine),
    tls: tlsKinds("target", qemu.tlsCredentials, config.tls),
    memoryFreeBytes: Math.max(0, config.memoryBytes - guests.memoryBytes),
    accelerators: accelerators(),
    vmPresent: guests.isPresent(vm),
    userfaultfd: userfaultfd(),
    linkBytesPerSecond: linkOf(config),
    missingResources: missingResources(definition, config.resources),
  };
}

async function prepareTarget(
  { config, guests, put, log }: Context,
  command: Command,
  args: ArgsOf<"target.prepare">,
): Promise<ResultOf<"target.prepare">> {
  const { vm, epoch } = command;
  refuseIfPresent(guests, vm);
  const id = migrationOf(command);
  const { sandbox, probe } = await describeBinary(config.qemu, config.stateDir);
  const { qemu, runDir, resources, migrationAddress: address, tls } = config;
  const { definition } = args;
  const hooks = hooksOf({ config, guests, put, log }, { vm, id, epoch, role: "target" });
  await hooks.prepare();
  const process = { qemu, runDir, sandbox, probe, resources };
  const guest = await Guest.start({ vm, definition, ...process, incoming: true });
  guests.add(guest);
  const migration = new TargetMigration({ guest, id, epoch, emit: put, log, address, tls, hooks });
  guests.setMigrating(vm, migration);
  try {
    return await migration.prepare(args);
  } catch (error) {
    hooks.failed();
    await guests.end(guest);
    throw error;
  }
}

async function startSource(
  { config, guests, put, log }: Context,
  command: Command,
  args: ArgsOf<"source.start">,
): Promise<ResultOf<"source.start">> {
  const { vm, epoch } = command;
  const guest = guests.get(vm);
  if (isUnderWay(guest.manifest)) {
    const { id } = guest.manifest.migration ?? {};
    throw new CommandRefusedError("refused", `The guest ${vm} is being migrated already (${id})`);
  }
  const { progressIntervalMs, tls } = config;
  const id = migrationOf(command);
  const hooks = hooksOf({ config, guests, put, log }, { vm, id, epoch, role: "source" });
  const options = { guest, id, epoch, emit: put, log, progressIntervalMs, tls, hooks };
  const migration = new SourceMigration(options);
  guests.setMigrating(vm, migration);
  await migration.start(args);
  return { startedAtMs: Date.now() };
}

async function observe({ guests }: Context, command: Command): Promise<ProcessReport> {
  const { vm, migrationId } = command;
  const guest = guests.find(vm);
  const manifest = guest?.manifest ?? guests.gone(vm);
  const memory = manifest?.migration;
  const base = {
    // A process that took no part in this migration can only be the guest where it always was.
    role: memory !== undefined && memory.id === migrationId ? memory.role : "source",
    everRan: manifest?.everRan ?? false,
    linkUp: guests.migrating(vm)?.linkUp ?? false,
    ...(memory ? { migrationId: memory.id } : {}),
  } as const;
  if (!guest) return { ...base, process: manifest ? "gone" : "none" };
  if (!guest.isAlive) return { ...base, process: "gone" };
  try {
    const [status, info] = await Promise.all([
      guest.qmp.execute("query-status", {}, { timeoutMs: LOOK_MS }),
      guest.qmp.execute("query-migrate", {}, { timeoutMs: LOOK_MS }),
    ]);
    const errorDescription = info["error-desc"];
    return {
      ...base,
      process: "running",
      runState: status.status,
      ...(info.status === undefined ? {} : { migrationStatus: info.status }),
      ...(errorDescription === undefined ? {} : { errorDescription }),
    };
  } catch {
    if (!guest.isAlive) return { ...base, process: "gone" };
    // A guest that waits for its memory can make QEMU silent: what the agent knows of it counts.
    const isPostcopy = memory?.postcopy?.active === true && !memory.over;
    const status = isPostcopy ? { migrationStatus: "postcopy-active" } : {};
    return { ...base, process: "silent", ...status };
  }
}

async function releaseSource(
  context: Context,
  command: Command,
): Promise<ResultOf<"source.release">> {
  await sourceOf(context, command).release("command");
  return { released: true };
}

function sourceOf({ guests }: Context, { vm, migrationId }: Command): SourceMigration {
  const migrating = guests.migrating(vm);
  if (migrating instanceof SourceMigration && migrating.id === migrationId) return migrating;
  throw new CommandRefusedError("refused", `${vm} is not the source of that migration here`);
}

function targetOf({ guests }: Context, { vm }: Command): TargetMigration {
  const migrating = guests.migrating(vm);
  if (migrating instanceof TargetMigration) return migrating;
  throw new CommandRefusedError("refused", `${vm} is not the target of a migration here`);
}

async function cancelSource(context: Context, command: Command): Promise<ProcessReport> {
  const migrating = context.guests.migrating(command.vm);
  if (migrating instanceof SourceMigration) await migrating.cancel();
  return observe(context, command);
}

async function resumeSource(context: Context, command: Command): Promise<ProcessReport> {
  const guest = context.guests.get(command.vm);
  const info = await guest.qmp.execute("query-migrate");
  if (isUnderWay(guest.manifest)) {
    throw new CommandRefusedError("refused", `The migration is not over (${info.status})`);
  }
  await guest.qmp.execute("cont");
  return observe(context, command);
}

async function resumeTarget(
  context: Context,
  command: Command,
  { wasRunning }: ArgsOf<"target.resume">,
): Promise<ProcessReport> {
  const migrating = targetOf(context, command);
  const { status = "none" } = await context.guests.get(command.vm).qmp.execute("query-migrate");
  const isPostcopy = status.startsWith("postcopy-");
  if (status !== "completed" && !isPostcopy) {
    throw new CommandRefusedError("refused", `The target does not have the guest yet (${status})`);
  }
  await migrating.run(wasRunning, isPostcopy ? "postcopy" : "completed");
  return observe(context, command);
}

async function discardTarget(
  { guests }: Context,
  { vm }: Command,
): Promise<ResultOf<"target.discard">> {
  const guest = guests.find(vm);
  if (!guest) return { gone: true };
  if (guest.manifest.everRan) {
    throw new CommandRefusedError("refused", `The guest ${vm} has run on this host`);
  }
  const migrating = guests.migrating(vm);
  await guests.end(guest);
  // Taken back by the cloud, whatever this end has seen of it.
  if (migrating instanceof TargetMigration) migrating.hooks.failed();
  return { gone: true };
}

async function discardSource(
  { guests }: Context,
  command: Command,
): Promise<ResultOf<"source.discard">> {
  const guest = guests.find(command.vm);
  if (!guest) return { gone: true };
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
  return { gone: true };
}

/** The host's hooks at one end of one migration. */
export function hooksOf(
  { config, guests, put: emit, log }: Context,
  end: { vm: Command["vm"]; id: MigrationId; epoch: number; role: "source" | "target" },
): MigrationHooks {
  return new MigrationHooks({ config, runner: guests.hookRunner, emit, log, ...end });
}

function linkOf({ linkBytesPerSecond: told, migrationAddress }: AgentConfig): number {
  return told ?? linkBytesPerSecond(migrationAddress);
}

function isUnderWay(manifest: Manifest): boolean {
  return manifest.migration !== undefined && !manifest.migration.over;
}

function refuseIfPresent(guests: Guests, vm: Command["vm"]): void {
  if (guests.isPresent(vm)) {
    throw new CommandRefusedError("refused", `This host already has a process for ${vm}`);
  }
}

function migrationOf(command: Command) {
  if (command.migrationId) return command.migrationId;
  throw new CommandRefusedError("invalid", `${command.verb} needs a migration`);
}
