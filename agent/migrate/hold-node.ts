import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";

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
 * @throws QmpError when QEMU does not answer
 */
export async function removeHoldNode(qmp: QmpClient): Promise<void> {
  const none = (error: unknown) => {
    if (!(error instanceof QmpCommandError)) throw error;
  };
  const bitmap = { node: HOLD_NODE, name: HOLD_BITMAP };
  await qmp.execute("block-dirty-bitmap-remove", bitmap).catch(none);
  await qmp.execute("blockdev-del", { "node-name": HOLD_NODE }).catch(none);
}
