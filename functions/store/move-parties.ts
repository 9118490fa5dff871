import type { EvacuationId } from "../../core/id.ts";
import { parseMove, type QueuedMove, type StoredMove } from "./evacuation-moves.ts";
import { parseHost, type StoredHost, withHeard } from "./hosts.ts";
import { keys } from "./keys.ts";
import { getItems, type Key } from "./table.ts";
import { parseVm, type StoredVm } from "./vms.ts";

/** What the start of a move depends on. What is missing does not exist. */
export type MoveParties = {
  readonly move?: StoredMove;
  readonly vm?: StoredVm;
  readonly source?: StoredHost;
  /** With whether it is silent. */
  readonly target?: StoredHost;
};

/** Reads a move of a queue, its VM and its hosts in one call. */
export async function readMoveParties(
  id: EvacuationId,
  queued: Pick<QueuedMove, "vm" | "source" | "target">,
): Promise<MoveParties> {
  const { vm, source, target } = queued;
  const own = keys.evacuationMove(id, vm);
  const heard = keys.hostHeard(target);
  const rows = await getItems([own, keys.vm(vm), keys.host(source), keys.host(target), heard]);
  const row = (key: Key) => rows.find(({ pk, sk }) => pk === key.pk && sk === key.sk);
  const found = {
    move: row(own),
    vm: row(keys.vm(vm)),
    source: row(keys.host(source)),
    target: row(keys.host(target)),
  };
  return {
    ...(found.move && { move: parseMove(found.move) }),
    ...(found.vm && { vm: parseVm(found.vm) }),
    ...(found.source && { source: parseHost(found.source) }),
    ...(found.target && { target: withHeard(parseHost(found.target), row(heard)) }),
  };
}
