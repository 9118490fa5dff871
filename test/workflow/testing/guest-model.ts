import type { Observation } from "../../../core/protocol/observation.ts";
import { observation } from "../../../core/protocol/testing/observation.ts";

/** How far a started source goes by itself. */
export type Course =
  /** To the end. */
  | "completes"
  /** Memory goes on being sent. */
  | "precopies"
  /** Waits for an ACK that does not come. */
  | "awaits-ack"
  /** The gate holds switchover. */
  | "holds"
  /** Into postcopy, where the connection breaks; recovered, it goes on to the end. */
  | "breaks-in-postcopy"
  /** The same, but recovered it does not end by itself. */
  | "remains-in-postcopy";

/** The guest of one migration: its process on each side. */
export type Guest = {
  vm: string;
  migrationId: string;
  epoch: number;
  course: Course;
  source: "running" | "migrating" | "completed" | "cancelled" | "postcopy" | "exited";
  target: "none" | "listening" | "loaded" | "running" | "postcopy" | "exited";
  /** A device loads: QEMU's monitor answers nothing. */
  targetIsSilent: boolean;
  pauses: number;
  isPaused: boolean;
};

export function preparedGuest(of: Pick<Guest, "vm" | "migrationId" | "epoch" | "course">): Guest {
  return {
    vm: of.vm,
    migrationId: of.migrationId,
    epoch: of.epoch,
    course: of.course,
    source: "running",
    target: "listening",
    targetIsSilent: false,
    pauses: 0,
    isPaused: false,
  };
}

/** Before a target is prepared, the guest runs on the source only. */
const unprepared = {
  source: "running",
  target: "none",
  targetIsSilent: false,
  isPaused: false,
} as const;

/** The sides on which the guest runs. */
export function sidesThatRun(guest: Guest | undefined): ("source" | "target")[] {
  const { source, target } = guest ?? unprepared;
  const sides: ("source" | "target")[] = [];
  if (["running", "migrating", "cancelled"].includes(source)) sides.push("source");
  if (target === "running" || target === "postcopy") sides.push("target");
  return sides;
}

export function observeSource(guest: Guest | undefined): Observation {
  const { source, isPaused } = guest ?? unprepared;
  const base = observation("source", { linkUp: true });
  switch (source) {
    case "running":
      return { ...base, runState: "running" };
    case "migrating":
      return { ...base, runState: "running", migrationStatus: "active" };
    case "cancelled":
      return { ...base, runState: "running", migrationStatus: "cancelled" };
    case "completed":
      return {
        ...base,
        runState: "postmigrate",
        migrationStatus: "completed",
        saidCompleted: true,
      };
    case "postcopy":
      return { ...base, runState: "finish-migrate", migrationStatus: postcopyStatus(isPaused) };
    default:
      return { ...base, process: "exited" };
  }
}

export function observeTarget(guest: Guest | undefined): Observation {
  const { target, targetIsSilent, isPaused } = guest ?? unprepared;
  const base = observation("target", { linkUp: true });
  const ran = { ...base, permittedToRun: true, arrived: true, runState: "running" };
  if (target === "none") return { ...base, process: "none" };
  if (target === "exited") return { ...base, process: "exited" };
  if (targetIsSilent) return { ...base, process: "silent" };
  switch (target) {
    case "listening":
      return { ...base, runState: "inmigrate", migrationStatus: "active" };
    case "loaded":
      return { ...base, runState: "paused", migrationStatus: "completed" };
    case "postcopy":
      return { ...ran, migrationStatus: postcopyStatus(isPaused) };
    default:
      return { ...ran, migrationStatus: "completed" };
  }
}

function postcopyStatus(isPaused: boolean): string {
  return isPaused ? "postcopy-paused" : "postcopy-active";
}
