import { setTimeout as delay } from "node:timers/promises";
import { isUnloadedStatus } from "../../../core/qemu/migration-status.ts";
import { hasArrived, needsResume } from "../../../core/qemu/run-state.ts";
import { QmpCommandError } from "../../../qmp/error.ts";
import { isQmpEvent } from "../../../qmp/events.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import { waitUntilPostcopy } from "./postcopy.ts";
import type { RunsAfter } from "./state.ts";

export const RUN_MS = 60_000;
/** An agent that restarted has no session until QEMU has loaded its devices. */
const SESSION_MS = 30_000;
/** Without a return path the source completes before the target has read everything. */
const LOAD_MS = 30_000;
/**
 * `cont` is refused while another process holds an image's lock. A backup tool or `qemu-img` that
 * only reads the image holds it for seconds; what lasts longer is for the cloud to decide.
 */
const RETRY_MS_MAX = 15_000;
/** The guest is stopped meanwhile: often enough to add little, and at most 30 attempts. */
const RETRY_MS = 500;

type Options = {
  /** QEMU's run state of the guest before the switchover: the one in which it has to arrive. */
  runState: string;
  when: RunsAfter;
  isLoaded: boolean;
  /** QEMU refused `cont`, in its own words. */
  onRefused: (message: string) => void;
  /** The run grant could not be removed from the disk and stays. */
  onUnrevoked: (error: unknown) => void;
  /** Aborted when the agent detaches: then nothing is tried again. */
  signal: AbortSignal;
};

/** What was seen of the guest: QEMU's run state and the time, ms since the epoch. */
export type Arrival = { readonly runState: string; readonly atMs: number };

/**
 * Brings a loaded guest into the run state in which it left the source, and sees it there. The run
 * grant is durable before `cont`: from then on nobody may resume the source, whatever comes. It is
 * revoked when QEMU answers `cont` with an error, because the guest has not run then (QEMU
 * monitor/qmp-cmds.c, qmp_cont: vm_start comes last); it stays when the answer is missing.
 *
 * @throws CommandRefusedError, QmpError, or the file system's error: then the guest has not run, or
 *   the cloud has to observe this side.
 */
export async function runGuest(guest: Guest, options: Options): Promise<Arrival> {
  const { runState, when, isLoaded } = options;
  await guest.monitor.session(SESSION_MS);
  if (when === "postcopy") await waitUntilPostcopy(guest.qmp);
  else if (!isLoaded) await waitUntilLoaded(guest);
  noteRunStateBefore(guest, runState);
  return needsResume(runState) ? await resume(guest, options) : await seeAsItIs(guest, runState);
}

/** A running guest's is not written down: that would cost downtime, and its absence means the same. */
function noteRunStateBefore(guest: Guest, runStateBefore: string): void {
  const { migration } = guest.manifest;
  if (migration === undefined || runStateBefore === (migration.runStateBefore ?? "running")) return;
  guest.note({ migration: { ...migration, runStateBefore } });
}

/** `cont` would change the run state of such a guest, or run one that was paused on purpose. */
async function seeAsItIs(guest: Guest, runState: string): Promise<Arrival> {
  const { status } = await guest.qmp.execute("query-status");
  if (hasArrived(runState, status)) {
    grant(guest);
    return { runState: status, atMs: Date.now() };
  }
  throw new CommandRefusedError("qemu", unexpected(runState, status));
}

async function resume(guest: Guest, options: Options): Promise<Arrival> {
  const { runState, onRefused, signal } = options;
  // An earlier `cont` whose answer is missing may have run the guest: then a refusal proves nothing.
  const mayHaveRun = guest.manifest.permittedToRun;
  const startedAt = performance.now();
  for (;;) {
    grant(guest);
    try {
      return await resumeOnce(guest, runState);
    } catch (error) {
      if (!(error instanceof QmpCommandError) || error.command !== "cont") throw error;
      if (!mayHaveRun) revoke(guest, error.desc, options);
      onRefused(error.desc);
      if (performance.now() - startedAt + RETRY_MS > RETRY_MS_MAX || signal.aborted) {
        throw new CommandRefusedError("qemu", `QEMU refuses to run the guest: ${error.desc}`);
      }
    }
    await delay(RETRY_MS, undefined, { signal });
  }
}

/** With a grant, an exited process would count as one in which the guest has run and was lost. */
function grant(guest: Guest): void {
  if (!guest.isAlive) throw new CommandRefusedError("qemu", "The target's QEMU has ended");
  guest.noteRunGrant();
}

function revoke(guest: Guest, message: string, { onUnrevoked }: Options): void {
  try {
    guest.revokeRunGrant(message);
  } catch (error) {
    onUnrevoked(error);
  }
}

async function resumeOnce(guest: Guest, runState: string): Promise<Arrival> {
  const { monitor, qmp } = guest;
  let resumedAtMs: number | undefined;
  const unsubscribe = monitor.on("RESUME", ({ timestampMs }) => {
    resumedAtMs = timestampMs;
  });
  try {
    guest.noteContSent();
    await qmp.execute("cont", {}, { timeoutMs: RUN_MS });
    // RESUME comes before the answer, unless the guest ran already.
    if (resumedAtMs !== undefined && runState === "running") {
      return { runState, atMs: resumedAtMs };
    }
    const { status } = await qmp.execute("query-status");
    if (hasArrived(runState, status)) return { runState: status, atMs: resumedAtMs ?? Date.now() };
    throw new CommandRefusedError("qemu", unexpected(runState, status));
  } finally {
    unsubscribe();
  }
}

function unexpected(runState: string, status: string): string {
  return `The guest left the source ${runState}, and QEMU reports it ${status} on the target`;
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
