import type { MigrationId } from "../../core/id.ts";
import { isFinal } from "../../core/migration/migration.ts";
import { Problem } from "../http/problem.ts";
import { findMigration, type StoredMigration } from "../store/migration-record.ts";

/** @throws Problem migration-not-found */
export async function requireMigration(id: MigrationId): Promise<StoredMigration> {
  const migration = await findMigration(id);
  if (migration !== undefined) return migration;
  throw new Problem("migration-not-found", `There is no migration ${id}`);
}

/** @throws Problem migration-over */
export function requireRunning({ id, status }: StoredMigration): void {
  if (isFinal(status)) throw new Problem("migration-over", `Migration ${id} is ${status}`);
}
