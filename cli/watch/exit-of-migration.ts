import type { ExitName } from "../exit/exit-codes.ts";
import type { Shown } from "./migration-lines.ts";

/** A migration that failed in one of these has changed nothing. */
const BEFORE_ANY_CHANGE: readonly string[] = ["admit", "probe", "negotiate"];

/** The exit for the end of a migration. */
export function exitOfMigration({ status, failure }: Shown): ExitName {
  switch (status) {
    case "running":
      return "ongoing";
    case "completed":
      return "done";
    case "unknown":
      return "unknown";
    case "cancelled":
      return "failed";
    case "failed":
      return BEFORE_ANY_CHANGE.includes(failure?.phase ?? "") ? "refused" : "failed";
  }
}
