import { HostClosed, MigrationCancelled, SlotsTaken, StaleMigration } from "../../core/errors.ts";
import type { MigrationId } from "../../core/id.ts";
import { readMigration } from "../store/migration-record.ts";
import { admitWaiting, freedBy } from "./admit-waiting.ts";
import { takeTurn } from "./take-turn.ts";
import { byInvocation } from "./wake-by-invocation.ts";

/**
 * Gives a prepared migration its transfer slots, unless it has them. Its places in the preparing pools
 * go to those that wait for one.
 *
 * @throws SlotsTaken when a host has none
 * @throws HostClosed when its target takes no guests any more
 * @throws MigrationCancelled, StaleMigration when it is not to go on
 */
export async function requireSlots(id: MigrationId): Promise<void> {
  const migration = await readMigration(id);
  if (migration.slots === "held") return;
  const turn = await takeTurn(migration);
  switch (turn) {
    case "held":
      return admitWaiting(freedBy(migration), byInvocation);
    case "closed":
      throw new HostClosed(`Failed to start ${id}: ${migration.target} does not take it`);
    case "ended":
      return requireHeld(id);
    default:
      throw new SlotsTaken(
        `${id} waits: ${turn.kind} of ${"host" in turn ? turn.host : turn.tenant} is used up`,
      );
  }
}

/** Another call was faster, or it is not to go on. */
async function requireHeld(id: MigrationId): Promise<void> {
  const { slots, status, cancelRequestedAt } = await readMigration(id);
  if (slots === "held") return;
  if (status === "running" && cancelRequestedAt !== undefined) {
    throw new MigrationCancelled(`${id} was cancelled before it began`);
  }
  throw new StaleMigration(`Failed to start ${id}: it is ${status}, with slots ${slots}`);
}
