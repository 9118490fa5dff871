import { proxmoxRevision } from "../../core/definition/machine.ts";
import { resourcesOf } from "../../core/host-resources.ts";
import type { VmId } from "../../core/id.ts";
import { limitToModel } from "../../core/negotiate/cpu-model.ts";
import type { ArgsOf, Command, ResultOf } from "../../core/protocol/command.ts";
import type { Observation } from "../../core/protocol/observation.ts";
import { isPostcopyStatus } from "../../core/qemu/migration-status.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { refusedParts, refuseUnlessAllowed } from "../guest/allowed.ts";
import { Guest } from "../guest/guest.ts";
import { limitToMachine } from "../guest/qemu-probe.ts";
import { missingResources } from "../guest/resources.ts";
import { PORTS_WITH_COPIES, whyNotListening } from "../migrate/link/port-range.ts";
import { TargetMigration } from "../migrate/target/migration.ts";
import { tlsKinds } from "../migrate/tls.ts";
import { describeBinary } from "../probe/binary.ts";
import { copyPlaces, wantedImages } from "../probe/copy-places.ts";
import { accelerators, userfaultfd } from "../probe/host.ts";
import { readHostCpu } from "../probe/host-cpu.ts";
import { readHostMemory } from "../probe/host-memory.ts";
import { linkOf } from "../probe/link.ts";
import type { WantedImage } from "../storage/copy-images.ts";
import {
  type Context,
  findLeftSource,
  hooksOf,
  migrationOf,
  refuseIfPresent,
  startLogger,
} from "./context.ts";
import { observe } from "./observe.ts";

export async function probeTarget(
  context: Context,
  command: Command,
  { definition, copies }: ArgsOf<"target.probe">,
): Promise<ResultOf<"target.probe">> {
  const { config, guests } = context;
  const { vm } = command;
  // Before the target is started: it may take from it.
  const memory = guests.prestarted.has(vm)
    ? undefined
    : readHostMemory(definition, config.resources, config.guestSlice === undefined);
  // A QEMU cannot open an image that is not there yet.
  if (copies === undefined) startAhead(context, command, definition);
  const [{ probe: qemu, cpuModels }, cannotListen, left, places] = await Promise.all([
    describeBinary(config.qemu, config.stateDir),
    whyNotListening(config.migrationPorts, config.migrationAddress, copies && PORTS_WITH_COPIES),
    findLeftSource(guests, vm),
    copyPlaces(copies ?? [], definition, config.resources),
  ]);
  const models = cpuModels[definition.accelerator];
  // The preparation ends it.
  const heldBytes = guests.memoryBytes - (left?.manifest.definition.memoryBytes ?? 0);
  return {
    qemu: limitToMachine(qemu, definition.machine.replace(proxmoxRevision(definition.machine), "")),
    tls: tlsKinds("target", qemu.tlsCredentials, config.tls),
    memoryFreeBytes: Math.max(0, config.memoryBytes - heldBytes),
    // What is left here of an earlier move takes from it, and is ended first.
    ...(memory === undefined || left !== undefined ? {} : { memory }),
    accelerators: accelerators(),
    vmPresent: left === undefined && guests.isPresent(vm),
    userfaultfd: userfaultfd(),
    linkBytesPerSecond: linkOf(config),
    host: readHostCpu(),
    ...(models && { cpuModels: limitToModel(models, definition.cpuModel, qemu.architecture) }),
    missingResources: missingResources(definition, config.resources),
    refusedParts: refusedParts(definition, config),
    ...(copies === undefined ? {} : { copies: places }),
    ...(cannotListen === undefined ? {} : { cannotListen }),
  };
}

/**
 * Starts the target's QEMU while the migration is negotiated: in most moves it is the one that will be
 * prepared. Not where a hook or a device must be ready first, and not for a dry run.
 */
function startAhead(context: Context, { vm, migrationId }: Command, definition: VmDefinition) {
  const { config, guests } = context;
  if (migrationId === undefined || config.hooks.prepare !== undefined) return;
  if (guests.isPresent(vm) || resourcesOf(definition).length > 0) return;
  if (refusedParts(definition, config).length > 0) return;
  const start = () => startTarget(context, vm, definition);
  guests.prestarted.start(vm, { migrationId, definition }, start);
}

/** A paused QEMU that waits for `migrate-incoming`. @throws CommandRefusedError `qemu` */
export async function startTarget(
  context: Context,
  vm: VmId,
  definition: VmDefinition,
  images: readonly WantedImage[] = [],
): Promise<Guest> {
  const { qemu, runDir, stateDir, resources, guestSlice } = context.config;
  const { sandbox, probe } = await describeBinary(qemu, stateDir);
  const onStarting = startLogger(context, vm);
  const process = { qemu, runDir, sandbox, probe, resources, guestSlice, onStarting };
  return Guest.start({ vm, definition, ...process, images, incoming: true });
}

export async function prepareTarget(
  context: Context,
  command: Command,
  args: ArgsOf<"target.prepare">,
): Promise<ResultOf<"target.prepare">> {
  const { config, guests, emit, log } = context;
  const { vm, epoch } = command;
  const id = migrationOf(command);
  const { resources, migrationAddress: address, migrationPorts: ports, tls } = config;
  const { definition } = args;
  refuseUnlessAllowed(definition, config);
  const hooks = hooksOf(context, { vm, id, epoch, side: "target" });
  const images = wantedImages(args.copies ?? [], definition, resources);
  const start = () => startTarget(context, vm, definition, images);
  let startedMs = performance.now();
  let guest = await guests.prestarted.take(vm, { migrationId: id, definition });
  if (guest === undefined) {
    await refuseIfPresent(guests, vm);
    await hooks.prepare();
    startedMs = performance.now();
    guest = await start();
  }
  const startMs = performance.now() - startedMs;
  guests.add(guest);
  const migration = new TargetMigration({
    guest,
    id,
    epoch,
    emit,
    log,
    address,
    ports,
    tls,
    hooks,
    resources,
    replaceGuest: (present) => guests.replace(present, start),
  });
  guests.setMigrating(vm, migration);
  try {
    return { ...(await migration.prepare(args)), startMs };
  } catch (error) {
    hooks.failed();
    // The error is the answer: the end of the process that follows is no failure of its own.
    migration.close();
    await guests.end(guests.find(vm) ?? guest);
    throw error;
  }
}

export function targetOf({ guests }: Context, { vm }: Command): TargetMigration {
  const migrating = guests.migrating(vm);
  if (migrating instanceof TargetMigration) return migrating;
  throw new CommandRefusedError("refused", `${vm} is not the target of a migration here`);
}

export async function resumeTarget(
  context: Context,
  command: Command,
  { runState }: ArgsOf<"target.resume">,
): Promise<Observation> {
  const migrating = targetOf(context, command);
  const { status = "none" } = await context.guests.get(command.vm).qmp.execute("query-migrate");
  const when = isPostcopyStatus(status) ? "postcopy" : "completed";
  if (when === "completed" && status !== "completed" && !migrating.isLoaded) {
    throw new CommandRefusedError("refused", `The target does not have the guest yet (${status})`);
  }
  await migrating.run(runState, when);
  return observe(context, command);
}

export async function discardTarget(
  { guests }: Context,
  { vm }: Command,
): Promise<ResultOf<"target.discard">> {
  await guests.prestarted.discard(vm);
  const guest = guests.find(vm);
  if (!guest) return { discarded: true };
  if (guest.manifest.permittedToRun) {
    throw new CommandRefusedError("refused", `The guest ${vm} has run on this host`);
  }
  const migrating = guests.migrating(vm);
  await guests.end(guest);
  // The cloud has cancelled it, whatever this side has observed.
  if (migrating instanceof TargetMigration) migrating.hooks.failed();
  return { discarded: true };
}
