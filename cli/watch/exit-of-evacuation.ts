import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import type { ExitName } from "../exit/exit-codes.ts";

type Status = Evacuation["status"];

const exits: Readonly<Record<Status, ExitName>> = {
  planned: "ongoing",
  approved: "ongoing",
  running: "ongoing",
  paused: "ongoing",
  cancelling: "ongoing",
  "rolling-back": "ongoing",
  completed: "done",
  "rolled-back": "done",
  "completed-with-remainder": "failed",
  cancelled: "failed",
  failed: "failed",
  rejected: "refused",
  expired: "refused",
};

/** The exit for the end of an evacuation. */
export function exitOfEvacuation(evacuation: Evacuation): ExitName {
  const { status, unknownVms, counters } = evacuation;
  const exit = exits[status];
  if (exit !== "ongoing" && unknownVms.length > 0) return "unknown";
  if (status === "rolled-back" && counters.failed + counters.unplaced > 0) return "failed";
  return exit;
}

export function isOver({ status }: Pick<Evacuation, "status">): boolean {
  return exits[status] !== "ongoing";
}
