import type { Blocker } from "../../core/negotiate/agreement.ts";
import { findHostNow } from "../store/hosts.ts";
import { recordFailure } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { takeSlots } from "../store/slots.ts";
import { closedBy } from "./host-rules.ts";

/** `closed`: the target takes no guests any more, and the record says why. */
export type Turn = "held" | "full" | "ended" | "closed";

/** Takes slots and memory for a migration, unless its target was closed while it waited. */
export async function takeTurn(migration: StoredMigration): Promise<Turn> {
  if (migration.slots === "held") return "held";
  const target = await findHostNow(migration.target);
  const blockers = target === undefined ? [] : closedBy(target);
  const [first] = blockers;
  if (first === undefined) return takeSlots(migration, target?.memoryBytes ?? 0);
  await recordFailure(migration.id, {
    code: first.code,
    message: messageOf(blockers),
    state: `nothing was changed; the guest is on ${migration.source}`,
    cure: blockers.map(({ cure }) => cure).join("\n"),
    phase: "admit",
  });
  return "closed";
}

function messageOf(blockers: readonly Blocker[]): string {
  return blockers.map(({ message }) => message).join("\n");
}
