import { CommandId } from "../../core/id.ts";
import { log } from "../runtime/log.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { dispatch } from "./dispatch-command.ts";

/**
 * Tells the source's agent to end the finished process, without waiting for the answer. The id is that
 * of the workflow's first attempt: the agent carries it out once. A failure is logged: what has ended
 * stays ended, and the agent refuses unless QEMU has completed and the guest stands still.
 */
export async function discardSource(migration: StoredMigration): Promise<void> {
  const { id, vm, source, queueUrls, epoch } = migration;
  try {
    await dispatch({
      id: CommandId.parse(`${id}.discard-source.1`),
      host: source,
      queueUrl: queueUrls.source,
      vm,
      migrationId: id,
      epoch,
      verb: "source.discard",
      args: {},
    });
  } catch (error) {
    log().warn({ err: error, migrationId: id }, "failed to discard the source's process");
  }
}
