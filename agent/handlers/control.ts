import type { ArgsOf, Command, GuestAction, ResultOf } from "../../core/protocol/command.ts";
import { isMigrationRunState } from "../../core/qemu/run-state.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Guest } from "../guest/guest.ts";
import { type Context, refuseIfUnderWay } from "./context.ts";

/**
 * Pauses, resumes or resets a guest, or presses its power button. The run state that QEMU reports
 * afterwards has been emitted before this answers.
 */
export async function controlGuest(
  { guests, log }: Context,
  { vm }: Command,
  { action }: ArgsOf<"guest.control">,
): Promise<ResultOf<"guest.control">> {
  const guest = guests.get(vm);
  refuseIfUnderWay(guest);
  const { status } = await guest.qmp.execute("query-status");
  // It stands still after a failed move, and only a `cont` ends that.
  const isStuck = status === "postmigrate" && guest.manifest.migration?.returnedAtMs !== undefined;
  if (isStuck && action !== "resume") {
    throw new CommandRefusedError(
      "refused",
      `The guest ${vm} has been stopped since its last move failed, and QEMU can only resume it: do that first`,
    );
  }
  if (!isStuck) refuseUnlessOwned(guest, status);
  await act(guest.qmp, action, status);
  await guest.runState.refresh();
  const { status: runState } = await guest.qmp.execute("query-status");
  log.info({ vm, action, before: status, runState }, "guest controlled");
  return { runState };
}

/**
 * A process that has never been allowed to run its guest, or has handed it over, is not the guest: its
 * copy runs elsewhere.
 *
 * @throws CommandRefusedError `refused`
 */
export function refuseUnlessOwned({ vm, manifest }: Guest, runState: string): void {
  const isHere = manifest.permittedToRun && manifest.migration?.handedOverAtMs === undefined;
  if (isHere && !isMigrationRunState(runState)) return;
  throw new CommandRefusedError(
    "refused",
    `The process of ${vm} on this host is one side of a migration (run state ${runState}): reconcile the VM first`,
  );
}

async function act(qmp: QmpClient, action: GuestAction, runState: string): Promise<void> {
  switch (action) {
    case "pause":
      await qmp.execute("stop");
      return;
    case "resume":
      await qmp.execute(runState === "suspended" ? "system_wakeup" : "cont");
      return;
    case "reset":
      await qmp.execute("system_reset");
      return;
    case "powerdown":
      await qmp.execute("system_powerdown");
  }
}

/** Gives up a guest, whose process runs on. Repeated, it is refused as not found. */
export async function detachGuest(
  { guests, log }: Context,
  { vm }: Command,
): Promise<ResultOf<"guest.detach">> {
  const guest = guests.get(vm);
  refuseIfUnderWay(guest);
  const { status } = await guest.qmp.execute("query-status");
  refuseUnlessOwned(guest, status);
  if (guest.hasTaps) {
    throw new CommandRefusedError(
      "refused",
      `The network of ${vm} is a tap of this agent, which goes with it: move the network, or stop the guest`,
    );
  }
  const { qmpPath } = guest.manifest;
  await guests.release(guest);
  log.info({ vm, qmpPath }, "guest detached");
  return { qmpPath };
}
