import { TableBusy } from "../../core/errors.ts";
import type { Failure } from "../../core/migration/migration.ts";
import type { Blocker } from "../../core/negotiate/agreement.ts";
import type { Limit } from "../store/keys.ts";
import { endPrepared, recordFailure } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { admit, findApart, readTurnView, type TurnView, takeSlots } from "../store/slots.ts";
import { heldBackBy, holdBack } from "./hold-back-move.ts";
import { closedBy } from "./host-rules.ts";

/**
 * `held`: it has what it asked for. `closed`: the target does not take this guest any more, or its
 * evacuation holds it back; the record says why.
 */
export type Turn = "held" | "ended" | "closed" | Limit;

/**
 * Admits a migration, or gives its slots to one that is prepared, unless its target was closed while
 * it waited, or got a VM from which this one stands apart.
 *
 * @throws TableBusy when its hosts changed each time
 */
export async function takeTurn(migration: StoredMigration): Promise<Turn> {
  if (migration.slots === "held") return "held";
  const view = await readTurnView(migration);
  const closed = view.target === undefined ? [] : closedBy(view.target);
  if (migration.slots === "preparing") return takeSlotsOf(migration, view, closed);
  if (closed.length > 0) return refuse(migration, closed);
  const taken = await admit(migration, view);
  // A member of its group on the target refuses it, however full the target is.
  const apart = taken === "held" || taken === "ended" ? [] : await findApart(migration);
  if (apart.length > 0) return refuse(migration, apart);
  if (taken !== "refused" && taken !== "held-back") return taken;
  throw busy(migration);
}

/** It has its memory, and its place in its groups: what is missing are slots. */
async function takeSlotsOf(
  migration: StoredMigration,
  view: TurnView,
  closed: Blocker[],
): Promise<Turn> {
  if (closed.length > 0) {
    const isRefused = await endPrepared(migration.id, failureOf(migration, closed));
    return isRefused ? "closed" : "ended";
  }
  let why = "its evacuation has changed meanwhile";
  const taken = await takeSlots(migration, view, async () => {
    const held = await heldBackBy(migration);
    if ("writes" in held) return held.writes;
    why = held.why;
    return "held-back";
  });
  if (taken === "held-back") return (await holdBack(migration, why)) ? "closed" : "ended";
  if (taken !== "refused") return taken;
  throw busy(migration);
}

function busy({ id }: StoredMigration): TableBusy {
  return new TableBusy(`Failed to admit ${id}: its hosts keep changing`);
}

async function refuse(migration: StoredMigration, blockers: Blocker[]): Promise<"closed"> {
  await recordFailure(migration.id, failureOf(migration, blockers));
  return "closed";
}

function failureOf({ source, slots }: StoredMigration, blockers: Blocker[]): Failure {
  const [first] = blockers;
  return {
    code: first?.code ?? "host-closed",
    message: messageOf(blockers),
    state: `the guest runs on at ${source}`,
    cure: blockers.map(({ cure }) => cure).join("\n"),
    phase: slots === "preparing" ? "prepare" : "admit",
  };
}

function messageOf(blockers: readonly Blocker[]): string {
  return blockers.map(({ message }) => message).join("\n");
}
