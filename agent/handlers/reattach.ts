import type { Guest } from "../guest/guest.ts";
import { SourceMigration } from "../migrate/source/migration.ts";
import { TargetMigration } from "../migrate/target/migration.ts";
import { removeCredentials } from "../migrate/tls.ts";
import { type Context, hooksOf } from "./context.ts";

/**
 * What an agent does first after its start, before it even talks to the cloud: takes over the guests
 * that run here and goes on with the migrations that were under way.
 */
export async function reattach(context: Context): Promise<void> {
  const guests = await context.guests.reattach();
  await Promise.all(guests.map((guest) => reattachMigration(context, guest)));
}

async function reattachMigration(context: Context, guest: Guest): Promise<void> {
  const memory = guest.manifest.migration;
  const { config, emit, log } = context;
  if (memory?.over && memory.tls !== undefined) {
    // The earlier life may have ended between the migration's end and this.
    await removeCredentials(guest).catch((error: unknown) => {
      log.warn({ error, vm: guest.vm }, "the TLS credentials are left to QEMU's end");
    });
  }
  if (!memory || memory.over) return;
  const { id, epoch, side } = memory;
  const hooks = hooksOf(context, { vm: guest.vm, id, epoch, side });
  const options = { guest, id, epoch, emit, log, tls: config.tls, hooks };
  const migration =
    memory.side === "source"
      ? new SourceMigration({ ...options, progressIntervalMs: config.progressIntervalMs })
      : new TargetMigration({ ...options, address: config.migrationAddress });
  context.guests.setMigrating(guest.vm, migration);
  log.info({ vm: guest.vm, migrationId: memory.id, side: memory.side }, "migration taken up again");
  await migration.reattach().catch((error: unknown) => {
    // The others must not suffer; the cloud looks at this one when it hears nothing.
    log.error({ error, vm: guest.vm }, "a migration under way cannot be taken up");
  });
}
