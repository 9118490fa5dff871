import type { Guest } from "../guest/guest.ts";
import { SourceMigration } from "../migrate/source/migration.ts";
import { TargetMigration } from "../migrate/target/migration.ts";
import { removeCredentials } from "../migrate/tls.ts";
import { type Context, hooksOf } from "./context.ts";

/**
 * Reattaches the guests that run here and continues the migrations that were under way: the first
 * thing that an agent does after its start, before it connects to the cloud.
 */
export async function reattach(context: Context): Promise<void> {
  const guests = await context.guests.reattach();
  await Promise.all(guests.map((guest) => reattachMigration(context, guest)));
}

async function reattachMigration(context: Context, guest: Guest): Promise<void> {
  const memory = guest.manifest.migration;
  const { config, emit, log } = context;
  if (memory?.over && memory.tls !== undefined) {
    // The agent may have exited between the end of the migration and the removal.
    await removeCredentials(guest).catch((error: unknown) => {
      log.warn({ error, vm: guest.vm }, "the TLS credentials are left to QEMU's end");
    });
  }
  if (!memory || memory.over) return;
  const { id, epoch, side } = memory;
  const hooks = hooksOf(context, { vm: guest.vm, id, epoch, side });
  const { tls, resources } = config;
  const options = { guest, id, epoch, emit, log, tls, hooks, resources };
  const migration =
    memory.side === "source"
      ? new SourceMigration({ ...options, progressIntervalMs: config.progressIntervalMs })
      : new TargetMigration({
          ...options,
          address: config.migrationAddress,
          ports: config.migrationPorts,
        });
  context.guests.setMigrating(guest.vm, migration);
  log.info({ vm: guest.vm, migrationId: memory.id, side: memory.side }, "migration reattached");
  await migration.reattach().catch((error: unknown) => {
    // The other guests are not affected; the cloud observes this one when no event comes.
    log.error({ error, vm: guest.vm }, "a migration under way cannot be reattached");
  });
}
