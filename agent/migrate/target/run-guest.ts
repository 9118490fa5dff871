import { isUnloadedStatus } from "../../../core/qemu/migration-status.ts";
import { isQmpEvent } from "../../../qmp/events.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import { waitUntilPostcopy } from "./postcopy.ts";
import type { RunsAfter } from "./state.ts";

export const RUN_MS = 60_000;
/** Without a return path the source completes before the target has read everything. */
const LOAD_MS = 30_000;

type Options = {
  /** The guest was running before the migration: it is resumed. One that was paused stays so. */
  wasRunning: boolean;
  when: RunsAfter;
  isLoaded: boolean;
};

/**
 * Lets a loaded guest run. The run grant is durable before `cont`: from then on nobody may resume the
 * source, whatever happens.
 *
 * @returns when the guest resumed, ms since the epoch
 * @throws CommandRefusedError, QmpError, or the file system's error: then the guest has not run, or
 *   the cloud has to observe this side.
 */
export async function runGuest(
  guest: Guest,
  { wasRunning, when, isLoaded }: Options,
): Promise<number> {
  if (when === "postcopy") await waitUntilPostcopy(guest.qmp);
  else if (!isLoaded) await waitUntilLoaded(guest);
  // With a grant, an exited process would count as one in which the guest has run and was lost.
  if (!guest.isAlive) throw new CommandRefusedError("qemu", "The target's QEMU has ended");
  guest.noteRunGrant();
  const atMs = wasRunning ? await resume(guest) : Date.now();
  guest.noteArrived(atMs);
  return atMs;
}

async function resume(guest: Guest): Promise<number> {
  const { monitor, qmp } = guest;
  let resumedAtMs: number | undefined;
  const unsubscribe = monitor.on("RESUME", ({ timestampMs }) => {
    resumedAtMs = timestampMs;
  });
  try {
    guest.noteContSent();
    await qmp.execute("cont", {}, { timeoutMs: RUN_MS });
    // RESUME comes before the answer, unless the guest ran already.
    if (resumedAtMs === undefined && !(await qmp.execute("query-status")).running) {
      throw new CommandRefusedError("qemu", "QEMU accepted `cont`, but the guest does not run");
    }
  } finally {
    unsubscribe();
  }
  return resumedAtMs ?? Date.now();
}

/** `cont` before that would make QEMU run whatever arrives. */
async function waitUntilLoaded({ qmp }: Guest): Promise<void> {
  const loaded = qmp.waitFor(
    (event) => isQmpEvent(event, "MIGRATION") && event.data.status === "completed",
    { timeoutMs: LOAD_MS },
  );
  loaded.catch(() => undefined);
  const { status = "none" } = await qmp.execute("query-migrate");
  if (status === "completed") return;
  if (isUnloadedStatus(status)) {
    throw new CommandRefusedError("refused", `The target does not have the guest (${status})`);
  }
  await loaded;
}
