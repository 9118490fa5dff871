import { MigrationId } from "../../../core/id.ts";
import { readMigration } from "../../../functions/store/migration-record.ts";
import { handler } from "../../../functions/task/relay.ts";

/** The relay as the workflow calls it: with the parties of the migration, from its record. */
export async function relay(input: { migrationId: string } & Record<string, unknown>) {
  const { vm, source, target } = await readMigration(MigrationId.parse(input.migrationId));
  return handler({ ...input, parties: { vm, source, target } });
}
