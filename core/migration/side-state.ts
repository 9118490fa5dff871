import type { Observation } from "../protocol/observation.ts";
import { isIdleStatus, isPostcopyStatus, SETUP_STATUS } from "../qemu/migration-status.ts";
import { isStoppedBySwitchover } from "../qemu/run-state.ts";

/** What one side answered when asked; `unreachable`: its agent did not answer within the deadline. */
export type Observed = Observation | "unreachable";

/** What the record knows of this migration beside the newest observations. */
export type RecordMemory = {
  /** The target's agent answered `target.prepare`: it cannot have "never heard" of the VM. */
  readonly targetPrepared: boolean;
  /** The source's process has ended, by its host's report or because its host has restarted. */
  readonly sourceExited: boolean;
  /** The source's agent reported `completed`; it may not have been able to tell the target's agent. */
  readonly sourceCompleted: boolean;
  /** Boot id of the target's host when it had prepared. */
  readonly targetBootId?: string | undefined;
  /** A person has confirmed that this side's host is down: no process of it is left. */
  readonly sourceDown: boolean;
  readonly targetDown: boolean;
};

export type SourceState =
  | "running" // the guest runs here, no migration under way
  | "standing" // the guest is here, no migration under way, stopped for a reason of its own
  | "migrating" // the guest is here, a migration is under way
  | "switching" // the guest was stopped by the switchover, which is not over
  | "stopped" // the guest was stopped by the switchover, which failed
  | "completed" // QEMU reports that the target has the guest
  | "postcopy"
  | "exited"
  | "unclear";

export type TargetState =
  | "absent" // no process, and the guest was never permitted to run in one
  | "forgot" // no process, and the agent does not remember having prepared one
  | "empty" // a process without a whole guest in it
  | "listening" // nothing has arrived yet
  | "loading" // the stream is still coming in
  | "silent" // a QEMU that does not answer; the guest was never permitted to run in it
  | "loaded" // the whole guest is here and was never permitted to run
  | "refused" // as loaded: QEMU refused to run it, and the permission is void
  | "permitted" // the whole guest is here, may have run, and was not seen as it should be
  | "arrived" // the guest was seen here as it should be, and its process is still here
  | "died" // the guest may have run here, and its process has ended
  | "postcopy"
  | "unclear";

export function sourceState(observed: Observed, record: RecordMemory): SourceState {
  if (observed === "unreachable") return record.sourceDown ? "exited" : "unclear";
  if (observed.process === "silent") return "unclear";
  // An agent that has forgotten the guest cannot tell that its process has ended.
  if (observed.process === "none") return record.sourceExited ? "exited" : "unclear";
  if (observed.process === "exited") return "exited";
  const status = observed.migrationStatus ?? "none";
  if (isPostcopyStatus(status)) return "postcopy";
  const { runState } = observed;
  if (runState === undefined) return "unclear";
  const isOver = isIdleStatus(status);
  if (isStoppedBySwitchover(runState)) {
    if (status === "completed") return "completed";
    return isOver ? "stopped" : "switching";
  }
  if (!isOver) return "migrating";
  return runState === "running" ? "running" : "standing";
}

export function targetState(observed: Observed, record: RecordMemory): TargetState {
  if (observed === "unreachable") {
    if (!record.targetDown) return "unclear";
    return record.targetPrepared ? "forgot" : "absent";
  }
  // What an earlier move has left on this host took no part in this one, and proves nothing of it.
  const isLeft = observed.process === "exited" && observed.side !== "target";
  if (observed.process === "none" || isLeft) {
    return record.targetPrepared && !observed.remembers ? "forgot" : "absent";
  }
  const isVoid = observed.runRefused !== undefined && !observed.permittedToRun;
  const mayHaveRun = observed.arrived || observed.permittedToRun;
  if (observed.process === "exited") return mayHaveRun ? "died" : "absent";
  // Also when it runs: it does not have its memory yet.
  if (isPostcopyStatus(observed.migrationStatus ?? "none")) return "postcopy";
  if (observed.arrived || observed.runState === "running") return "arrived";
  if (mayHaveRun) return "permitted";
  if (observed.process === "silent") return "silent";
  const status = observed.migrationStatus ?? "none";
  if (status === "completed") return isVoid ? "refused" : "loaded";
  if (isIdleStatus(status)) return "empty";
  return status === SETUP_STATUS ? "listening" : "loading";
}
