import type { MigrationId } from "../../core/id.ts";
import { Phase } from "../../core/migration/migration.ts";
import { forwardPhases } from "../../core/migration/phases.ts";
import type { EventKey } from "./keys.ts";
import type { StoredMigration } from "./migration-record.ts";
import { addRows, cloudRow, type Row } from "./timeline.ts";

/**
 * The way back of a migration may be taken again and again, by persons and after lost executions. Each
 * time it begins, the record keeps only these of its latest decisions and phases; the earlier ones
 * become rows of the timeline. So it stays below DynamoDB's 400 KB.
 */
export const DECISIONS_KEPT = 10;
export const PHASES_KEPT = 20;

/** The newest turn of the way back that was decided, or lost with its execution; 0: none. */
export function newestTurn({ turns, decisions }: Pick<StoredMigration, "turns" | "decisions">) {
  return turns ?? decisions.length;
}

/** Holds while no turn is newer than those that were read. Records of before have no `turns`. */
export function turnsAsRead(migration: Pick<StoredMigration, "turns" | "decisions">) {
  const condition =
    migration.turns === undefined
      ? "(attribute_not_exists(#turns) AND size(#decisions) = :turnsRead)"
      : "#turns = :turnsRead";
  return { condition, values: { ":turnsRead": newestTurn(migration) } };
}

type History = Pick<StoredMigration, "decisions" | "phases">;

/**
 * Moves all but the latest decisions and phases to the timeline, and returns those that the record
 * keeps. Doing it again writes the same rows.
 *
 * @throws TableBusy
 */
export async function moveHistory({ id, decisions, phases }: StoredMigration): Promise<History> {
  const first = forwardPhases.map((name) => phases.find((phase) => phase.name === name));
  const repeated = phases.filter((phase) => !first.includes(phase));
  const dropped = {
    decisions: decisions.slice(0, -DECISIONS_KEPT),
    phases: repeated.slice(0, -PHASES_KEPT),
  };
  await addRows(rowsOf(id, dropped));
  return {
    decisions: decisions.slice(-DECISIONS_KEPT),
    phases: phases.filter((phase) => !dropped.phases.includes(phase)),
  };
}

function rowsOf(id: MigrationId, { decisions, phases }: History): Row[] {
  return [
    ...decisions.map(({ at, ...detail }) =>
      cloudRow(id, placeOf(at, detail.turn), { type: "reconcile.decided", detail }),
    ),
    ...phases.map(({ name, startedAt }) =>
      cloudRow(id, placeOf(startedAt, PHASE_NUMBERS + Phase.options.indexOf(name)), {
        type: "phase.entered",
        detail: { phase: name },
      }),
    ),
  ];
}

/** Beyond all turns: what was decided and entered at one moment is told apart by its number. */
const PHASE_NUMBERS = 1_000_000;

function placeOf(at: string, seq: number): Pick<EventKey, "atMs" | "seq"> {
  return { atMs: Date.parse(at), seq };
}
