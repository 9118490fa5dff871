import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import type { VmId } from "../../core/id.ts";
import { importProcess } from "../../core/import/import-command-line.ts";
import { ImportError } from "../../core/import/import-error.ts";
import { IMPORT_NOTES_MAX, importNote } from "../../core/import/note.ts";
import type { Proposal } from "../../core/protocol/proposal.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { QmpClient } from "../../qmp/client.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { type Allowing, refusedParts } from "../guest/allowed.ts";
import { runningJobs } from "../guest/block-jobs.ts";
import { listenerPid } from "../guest/listener.ts";
import { identify, type ProcessIdentity } from "../runtime/process.ts";
import { placeholdersOf } from "../twin/placeholders.ts";
import { readTwin } from "../twin/read.ts";
import { compareTrial } from "./compare-trial.ts";
import { adviceOf, argumentsOf, monitorsOf, type OwnGuest, ownerOf } from "./find-guests.ts";
import { liveDefinition } from "./live-definition.ts";
import { runTrial, type TrialHost } from "./trial.ts";

const CONNECT_MS = 5_000;
const NOT_COMPARED_CHARACTERS_MAX = 2_000;

export type DiscoveryHost = TrialHost & Allowing & { readonly own: readonly OwnGuest[] };

/**
 * Makes a definition of a QEMU that runs, and proves it: a QEMU that is started from it is compared
 * with the running one. Nothing of the running one is changed; its monitor is free again afterwards.
 *
 * @throws CommandRefusedError `not-found`: nothing listens there; `refused`: the monitor is taken, with
 *   the way that works, or the command line makes no definition
 */
export async function discover(vm: VmId, qmpPath: string, host: DiscoveryHost): Promise<Proposal> {
  const identity = identify(listenerPid(qmpPath));
  const argv = argumentsOf(identity.pid) ?? [];
  refuseIfOwn(identity.pid, host.own);
  refuseIfTaken(qmpPath, identity.pid, argv);
  const given = readArguments(argv);
  const qmp = await QmpClient.connect({ path: qmpPath }, { connectTimeoutMs: CONNECT_MS });
  try {
    const jobs = await runningJobs(qmp);
    if (jobs.length > 0) {
      const names = jobs.map(({ id, type }) => `${id} (${type})`).join(", ");
      const cure = "wait until they have ended, then ask again";
      throw new CommandRefusedError(
        "refused",
        `Block jobs change the guest's disks: ${names}: ${cure}`,
      );
    }
    const live = await liveDefinition(qmp, given.definition, workingFolder(identity.pid));
    const { definition } = live;
    const notes = [...given.notes, ...live.notes];
    const compared = await compare({ vm, qmp, pid: identity.pid, definition, host });
    const refused = refusedParts(definition, host).map((part) =>
      importNote("unknown", part, "this host does not allow it: name it in `allow`, or correct it"),
    );
    const listed = [...refused, ...notes].slice(0, 2 * IMPORT_NOTES_MAX);
    const found = { definition, pid: identity.pid, notes: listed, ...compared };
    return { ...found, digest: digestOf(identity, found) };
  } finally {
    await qmp.close();
  }
}

/**
 * Compares the process behind a monitor with a definition.
 *
 * @throws CommandRefusedError, QmpError
 */
export async function compareProcess(
  vm: VmId,
  qmpPath: string,
  { definition, host }: { definition: VmDefinition; host: DiscoveryHost },
): Promise<Pick<Proposal, "comparison" | "notCompared">> {
  const identity = identify(listenerPid(qmpPath));
  const qmp = await QmpClient.connect({ path: qmpPath }, { connectTimeoutMs: CONNECT_MS });
  try {
    return await compare({ vm, qmp, pid: identity.pid, definition, host });
  } finally {
    await qmp.close();
  }
}

function refuseIfOwn(pid: number, own: readonly OwnGuest[]): void {
  const guest = own.find((one) => one.pid === pid);
  if (guest === undefined) return;
  throw new CommandRefusedError("refused", `The process ${pid} is the VM ${guest.vm} already`);
}

function refuseIfTaken(qmpPath: string, pid: number, argv: readonly string[]): void {
  const monitors = monitorsOf(pid, argv) ?? [];
  const monitor = monitors.find(({ path }) => path === qmpPath);
  if (monitor?.state !== "taken") return;
  const other = monitors.find(({ state }) => state === "free");
  const way =
    other === undefined
      ? adviceOf(ownerOf(argv), [monitor]).advice
      : `Its monitor ${other.path} is free: name that one`;
  throw new CommandRefusedError("refused", `Another client holds the monitor ${qmpPath}. ${way}`);
}

function readArguments(argv: readonly string[]) {
  try {
    return importProcess(argv.slice(1));
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    throw new CommandRefusedError("refused", `${error.message}; or send a definition of your own`, {
      cause: error,
    });
  }
}

function workingFolder(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

type Comparing = {
  readonly vm: VmId;
  readonly qmp: QmpClient;
  readonly pid: number;
  readonly definition: VmDefinition;
  readonly host: DiscoveryHost;
};

/** Compares a running QEMU with a definition. Never rejects for what the definition is. */
export async function compare({
  vm,
  qmp,
  pid,
  definition,
  host,
}: Comparing): Promise<Pick<Proposal, "comparison" | "notCompared">> {
  const { reading: running } = await readTwin(
    { qmp, manifest: { pid, definition } },
    placeholdersOf(definition, host.resources),
  );
  // A part that the host does not allow must not be started, not even for a moment.
  const [refused] = refusedParts(definition, host);
  if (refused !== undefined) return { notCompared: shorten(`This host does not allow ${refused}`) };
  try {
    const trial = await runTrial(vm, definition, host);
    const comparison = compareTrial(running, trial);
    if (trial.leftOut.length === 0) return { comparison };
    const types = trial.leftOut.join(", ");
    return { comparison, notCompared: shorten(`${types}: only one process can have them`) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { notCompared: shorten(`No QEMU could be started from the definition: ${message}`) };
  }
}

function shorten(text: string): string {
  return text.slice(0, NOT_COMPARED_CHARACTERS_MAX);
}

/** The same for the same process, as long as its machine is the same. */
function digestOf(
  { pid, startTicks, bootId }: ProcessIdentity,
  { definition, notes, comparison, notCompared }: Omit<Proposal, "digest">,
): string {
  const differences = comparison?.differences.map(({ name }) => name);
  const identity = { pid, startTicks, bootId };
  const proposed = { identity, definition, notes, differences, isCompared: !notCompared };
  return createHash("sha256").update(JSON.stringify(proposed)).digest("hex");
}
