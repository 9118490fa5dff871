import { TableBusy } from "../../core/errors.ts";
import type { Blocker } from "../../core/negotiate/agreement.ts";
import { findHostNow } from "../store/hosts.ts";
import { recordFailure } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import type { Limit } from "../store/queue-lanes.ts";
import { findApart, takeSlots } from "../store/slots.ts";
import { closedBy } from "./host-rules.ts";

/** `closed`: the target does not take this guest any more, and the record says why. */
export type Turn = "held" | "ended" | "closed" | Limit;

/**
 * Takes slots and memory for a migration, unless its target was closed while it waited, or got a VM
 * from which this one stands apart.
 *
 * @throws TableBusy when its hosts changed each time
 */
export async function takeTurn(migration: StoredMigration): Promise<Turn> {
  if (migration.slots === "held") return "held";
  const target = await findHostNow(migration.target);
  const closed = target === undefined ? [] : closedBy(target);
  if (closed.length > 0) return refuse(migration, closed);
  const taken = await takeSlots(migration, target?.memoryBytes ?? 0);
  // A member of its group on the target refuses it, however full the target is.
  const apart = taken === "held" || taken === "ended" ? [] : await findApart(migration);
  if (apart.length > 0) return refuse(migration, apart);
  if (taken !== "refused") return taken;
  throw new TableBusy(`Failed to admit ${migration.id}: its hosts keep changing`);
}

async function refuse(migration: StoredMigration, blockers: Blocker[]): Promise<"closed"> {
  const [first] = blockers;
  await recordFailure(migration.id, {
    code: first?.code ?? "host-closed",
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
