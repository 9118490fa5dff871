import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";
import { pause } from "../runtime/backoff.ts";

/** A node of no content, whose dirty bitmap is the pending data of a gate that holds. */
export const HOLD_NODE = "switchyard-gate";
export const HOLD_BITMAP = "hold";
/** The least a bitmap and its node can be; one dirty bit is enough. */
export const HOLD_NODE_BYTES = 65_536;

/**
 * On a target it is needed with `dirty-bitmaps`: one bitmap of an unknown node makes QEMU drop all
 * bitmaps that arrive (QEMU migration/block-dirty-bitmap.c, cancel_incoming_locked).
 *
 * @throws QmpError
 */
export async function addHoldNode(qmp: QmpClient): Promise<void> {
  const node = { driver: "null-co", "node-name": HOLD_NODE, size: HOLD_NODE_BYTES };
  await qmp.execute("blockdev-add", node);
}

/**
 * Node and bitmap may exist one without the other: an agent may have died between the two.
 *
 * @throws QmpCommandError when a migration still has the bitmap; QmpError when QEMU does not answer
 */
export async function removeHoldNode(qmp: QmpClient): Promise<void> {
  const bitmap = { node: HOLD_NODE, name: HOLD_BITMAP };
  await qmp.execute("block-dirty-bitmap-remove", bitmap).catch(refused);
  const error = await qmp.execute("blockdev-del", { "node-name": HOLD_NODE }).catch(refused);
  if (error instanceof QmpCommandError && (await hasHoldNode(qmp))) throw error;
}

function refused(error: unknown): QmpCommandError {
  if (error instanceof QmpCommandError) return error;
  throw error;
}

async function hasHoldNode(qmp: QmpClient): Promise<boolean> {
  const nodes = await qmp.execute("query-named-block-nodes", { flat: true });
  return nodes.some((node) => node["node-name"] === HOLD_NODE);
}

/** QEMU frees what a migration used in milliseconds after its end; a busy host takes longer. */
const FREED_MS_MAX = 10_000;
const RETRY_MS = 50;

/**
 * Repeats what QEMU refuses as long as it still cleans up after a migration: it reports the end of one
 * before it frees bitmaps and takes new settings (QEMU migration/migration.c, migration_cleanup).
 *
 * @throws QmpCommandError of the last try, after 10 s or when `signal` aborts; whatever else `work` throws
 */
export async function untilFreed(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isLate = performance.now() - startedMs > FREED_MS_MAX;
      if (!(error instanceof QmpCommandError) || isLate || signal.aborted) throw error;
    }
    await pause(RETRY_MS, signal);
  }
}
