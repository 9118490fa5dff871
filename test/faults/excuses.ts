import type { Fault, Moment, Strike, Victim } from "./plan.ts";

/** Before `source.start` nobody follows the source's QEMU. */
const UNFOLLOWED: readonly Moment[] = ["asked", "probe", "preparing", "prepared"];

/** What the faults that struck allow, which else counts as a violation. */
export type Excuses = {
  /** QEMUs that were ended by a fault, or that nobody heard end: only then may a guest be lost. */
  endedQemus: Victim[];
  /** The guest ended by itself. */
  mayBeOver: boolean;
  /** Nobody can say where the guest is: a side has forgotten, or refuses for good. */
  mayBeUnknown: boolean;
  /**
   * The target's host crashed: if it had the whole guest by then, nobody can tell whether it ran there
   * (docs/internals/architecture.md), and the guest is given up as lost.
   */
  mayBeGivenUp: boolean;
  /**
   * An agent was silent, its clock was wrong, or QEMU was frozen while nobody followed it: the record may
   * miss how long the guest stood still.
   */
  mayMissStandstills: boolean;
  /**
   * The source's host refuses the discard by its clock, and no execution is left to repeat it: its
   * finished process stays (docs/internals/architecture.md).
   */
  mayKeepSource: boolean;
  /** A host has forgotten the image that it made for a copy: its operator removes it. */
  mayKeepImage: boolean;
  /** Executions that the migration may have. */
  executionsMax: number;
  /** Steps that are refused are tried again. */
  mayRepeat: boolean;
};

export function excusesOf(strikes: readonly Strike[]): Excuses {
  const faults = strikes.map(({ fault }) => fault);
  const of = (test: (fault: Fault) => boolean) => faults.some(test);
  const repeating = ["guest-act", "io-error", "image-lock", "refuse-run", "crash", "clone"];
  return {
    endedQemus: [...faults.flatMap(endedBy), ...unheardEnds(faults)],
    mayBeOver: of(({ kind }) => kind === "guest-act"),
    mayBeUnknown: of(
      (fault) =>
        ["refuse-run", "image-lock", "clone"].includes(fault.kind) ||
        (fault.kind === "crash" && fault.left !== "all"),
    ),
    mayBeGivenUp: of((fault) => fault.kind === "crash" && fault.victim === "target-host"),
    mayMissStandstills: of(silencesAgent) || strikes.some(freezesUnfollowed),
    mayKeepSource:
      of(({ kind }) => kind === "lose-execution") &&
      of((fault) => fault.kind === "clock-jump" && fault.victim === "source-agent"),
    mayKeepImage: of((fault) => fault.kind === "crash" && fault.left !== "all"),
    executionsMax: of(({ kind }) => kind === "lose-execution") ? 3 : 1,
    mayRepeat: of(({ kind }) => repeating.includes(kind)),
  };
}

function endedBy(fault: Fault): Victim[] {
  if (fault.kind === "crash") {
    return [fault.victim === "source-host" ? "source-qemu" : "target-qemu"];
  }
  const isKill = fault.kind === "kill" && fault.victim.endsWith("qemu");
  return isKill ? [fault.victim] : [];
}

/** A guest that powers itself off while its agent is down: QEMU's reason goes with its process. */
function unheardEnds(faults: readonly Fault[]): Victim[] {
  if (!faults.some((fault) => fault.kind === "guest-act" && fault.action === "power-off"))
    return [];
  return faults.flatMap((fault): Victim[] => {
    if (fault.kind !== "kill") return [];
    if (fault.victim === "source-agent") return ["source-qemu"];
    return fault.victim === "target-agent" ? ["target-qemu"] : [];
  });
}

/** Before the source is followed, or after the guest has arrived: that is no part of the move. */
function freezesUnfollowed({ at, fault }: Strike): boolean {
  if (fault.kind !== "freeze") return false;
  const isEarly = fault.victim === "source-qemu" && UNFOLLOWED.includes(at);
  return isEarly || (fault.victim === "target-qemu" && at === "running");
}

function silencesAgent(fault: Fault): boolean {
  if (fault.kind === "freeze") return !fault.victim.endsWith("qemu");
  return ["kill", "crash", "clone", "disk-full", "clock-jump"].includes(fault.kind);
}
