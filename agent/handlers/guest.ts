import { existsSync } from "node:fs";
import { proxmoxRevision } from "../../core/definition/machine.ts";
import type { ArgsOf, Command, ResultOf } from "../../core/protocol/command.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { refuseUnlessAllowed } from "../guest/allowed.ts";
import { Guest } from "../guest/guest.ts";
import { describeBinary } from "../probe/binary.ts";
import { machineType } from "../probe/guest.ts";
import { waitForEnd } from "../runtime/process.ts";
import { readFixed } from "../twin/fixed.ts";
import { type Context, refuseIfPresent, refuseIfUnderWay, startLogger } from "./context.ts";
import { confirmProposal } from "./discover.ts";

const POWERDOWN_MS = 90_000;

export async function startGuest(
  context: Context,
  { vm }: Command,
  { definition }: ArgsOf<"guest.start">,
): Promise<ResultOf<"guest.start">> {
  const { config, guests } = context;
  await refuseIfPresent(guests, vm);
  refuseUnlessAllowed(definition, config);
  const { sandbox, probe } = await describeBinary(config.qemu, config.stateDir);
  const { qemu, runDir, resources, guestSlice } = config;
  const onStarting = startLogger(context, vm);
  const process = { qemu, runDir, sandbox, probe, resources, guestSlice, onStarting };
  const guest = await Guest.start({ vm, definition, ...process, incoming: false });
  guests.add(guest);
  try {
    return await finishDefinition(guest);
  } catch (error) {
    // The command fails, so the control plane will not know this process.
    await guests.end(guest);
    throw error;
  }
}

export async function adoptGuest(
  context: Context,
  { vm }: Command,
  { definition, qmpPath, digest }: ArgsOf<"guest.adopt">,
): Promise<ResultOf<"guest.adopt">> {
  const { config, guests } = context;
  await refuseIfPresent(guests, vm);
  refuseUnlessAllowed(definition, config);
  if (!existsSync(qmpPath)) {
    throw new CommandRefusedError(
      "not-found",
      `There is no socket at ${qmpPath} on this host: start QEMU with \`-qmp unix:${qmpPath},server=on,wait=off\``,
    );
  }
  if (digest !== undefined) await confirmProposal(context, vm, { definition, qmpPath, digest });
  const guest = await Guest.adopt({ vm, definition, qmpPath, runDir: guests.runDir });
  guests.add(guest);
  try {
    return await finishDefinition(guest);
  } catch (error) {
    await guests.detach(guest);
    throw error;
  }
}

/** Records the resolved machine type: an alias is another type in another QEMU. */
async function finishDefinition(guest: Guest): Promise<ResultOf<"guest.start">> {
  const { machine: asked } = guest.manifest.definition;
  const machine = `${await machineType(guest.qmp)}${proxmoxRevision(asked)}`;
  guest.note({ definition: { ...guest.manifest.definition, machine } });
  // Probed now, so that the first migration need not wait for it.
  await Promise.all([guest.probe(), guest.runState.refresh()]);
  // Read again when it is needed, if this fails.
  readFixed(guest).catch(() => undefined);
  const { definition, pid } = guest.manifest;
  const { current } = guest.runState;
  return { definition, pid, ...(current === undefined ? {} : { runState: current }) };
}

export async function stopGuest(
  { guests, log }: Context,
  { vm }: Command,
  { mode }: ArgsOf<"guest.stop">,
): Promise<ResultOf<"guest.stop">> {
  const guest = guests.find(vm);
  if (!guest) return { stopped: true };
  refuseIfUnderWay(guest);
  await guests.end(guest, mode === "powerdown" ? () => powerDown(guest) : undefined);
  log.info({ vm, mode }, "guest stopped");
  return { stopped: true };
}

async function powerDown(guest: Guest): Promise<void> {
  await guest.qmp.execute("system_powerdown");
  if (await waitForEnd(guest.manifest, POWERDOWN_MS, { everyMs: 50 })) return;
  throw new CommandRefusedError(
    "timeout",
    `The guest ${guest.vm} has not powered down within ${POWERDOWN_MS} ms of the power button: it goes on running; stop it with mode quit, or in the guest`,
  );
}
