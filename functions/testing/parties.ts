import { MigrationId } from "../../core/id.ts";
import { handler as admitHandler } from "../admit.ts";
import { handler as relayHandler } from "../relay.ts";
import { readMigration } from "../store/migrations.ts";

type Input = { migrationId: string } & Record<string, unknown>;

/** Tasks as the workflow calls them: with the parties of the migration, from its record. */
export const admit = async (input: Input) => admitHandler(await withParties(input));
export const relay = async (input: Input) => relayHandler(await withParties(input));

async function withParties(input: Input) {
  const { vm, source, target } = await readMigration(MigrationId.parse(input.migrationId));
  return { ...input, parties: { vm, source, target } };
}
