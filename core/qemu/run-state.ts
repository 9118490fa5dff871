import type { QemuVersion } from "../protocol/probe.ts";
import type { SettledState } from "../vm-state.ts";

type RunStateFact = {
  /** What the record says of a VM whose QEMU reports this run state. */
  readonly vm: SettledState;
  /** A guest in this run state may be migrated. */
  readonly mayMove: boolean;
  /** Both QEMUs must be of this version or newer; absent: any version. */
  readonly moveSince?: { readonly major: number; readonly minor: number };
  /** What the target must do once it holds the whole guest, so that it arrives as it left. */
  readonly arrival: "resume" | "as-it-is";
  readonly cure: string;
};

/**
 * QEMU's run states (QAPI run-state.json, RunState), what they mean for the record, and which of
 * them survive a move. Tried on 7.2.22, 10.0.2 and 11.1.3: docs/internals/qemu-facts.md.
 *
 * The target is started with `-S`, so a guest that ran, or slept, arrives `paused` and needs `cont`;
 * any other run state arrives as itself, and `cont` would change it. Before 9.0 a move wakes a
 * sleeping guest up.
 */
const runStates: Readonly<Record<string, RunStateFact>> = {
  running: { vm: "running", mayMove: true, arrival: "resume", cure: "" },
  paused: { vm: "paused", mayMove: true, arrival: "as-it-is", cure: "" },
  suspended: {
    vm: "suspended",
    mayMove: true,
    moveSince: { major: 9, minor: 0 },
    arrival: "resume",
    cure: "wake the guest up, or move it between hosts with QEMU 9.0 or newer",
  },
  "io-error": { vm: "io-error", mayMove: true, arrival: "as-it-is", cure: "" },
  "guest-panicked": { vm: "panicked", mayMove: true, arrival: "as-it-is", cure: "" },
  shutdown: {
    vm: "stopped",
    mayMove: false,
    arrival: "as-it-is",
    cure: "the guest has powered itself off: start it on the other host",
  },
  "internal-error": {
    vm: "paused",
    mayMove: false,
    arrival: "as-it-is",
    cure: "QEMU met an error of its own in this guest: stop it and start it again",
  },
  watchdog: { vm: "paused", mayMove: true, arrival: "as-it-is", cure: "" },
  debug: { vm: "paused", mayMove: false, arrival: "as-it-is", cure: "detach the debugger" },
  prelaunch: { vm: "paused", mayMove: true, arrival: "as-it-is", cure: "" },
  "save-vm": { vm: "paused", mayMove: false, arrival: "as-it-is", cure: "wait for the snapshot" },
  "restore-vm": { vm: "paused", mayMove: false, arrival: "as-it-is", cure: "wait for the restore" },
  colo: { vm: "paused", mayMove: false, arrival: "as-it-is", cure: "end COLO replication first" },
};

/** Run states that QEMU itself enters for a migration: they say nothing of the guest's own state. */
const migrationRunStates: readonly string[] = ["inmigrate", "finish-migrate", "postmigrate"];

/** The guest was stopped by the switchover, or has been handed over. */
export function isStoppedBySwitchover(runState: string): boolean {
  return runState === "finish-migrate" || runState === "postmigrate";
}

export function isMigrationRunState(runState: string): boolean {
  return migrationRunStates.includes(runState);
}

/**
 * What the record says of a guest whose QEMU reports this run state. A run state that a newer QEMU
 * may have added counts as `paused`: the guest is not seen running.
 */
export function vmStateOf(runState: string): SettledState {
  return runStates[runState]?.vm ?? "paused";
}

/** Whether the target has to let the guest run for it to arrive in the run state it left in. */
export function needsResume(runStateBefore: string): boolean {
  return runStates[runStateBefore]?.arrival === "resume";
}

/** The run states in which a guest that left in `runStateBefore` has arrived as it should. */
export function hasArrived(runStateBefore: string, runState: string): boolean {
  if (runStateBefore === "prelaunch") return runState === "paused" || runState === "prelaunch";
  return runState === runStateBefore;
}

export type MoveVerdict = { mayMove: true } | { mayMove: false; cure: string };

/** Whether a guest in this run state may be moved between these QEMUs. */
export function mayMove(
  runState: string,
  versions: { source: QemuVersion; target: QemuVersion },
): MoveVerdict {
  const fact = runStates[runState];
  if (fact === undefined) {
    return { mayMove: false, cure: `wait until the guest leaves the run state \`${runState}\`` };
  }
  const since = fact.moveSince;
  const isOld = ({ major, minor }: QemuVersion) =>
    since !== undefined && (major < since.major || (major === since.major && minor < since.minor));
  const isTooOld = isOld(versions.source) || isOld(versions.target);
  return fact.mayMove && !isTooOld ? { mayMove: true } : { mayMove: false, cure: fact.cure };
}
