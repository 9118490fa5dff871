import { setTimeout as delay } from "node:timers/promises";
import type { Inspection } from "../../../core/twin/storage.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Twin } from "../../storage/twin.ts";
import type { InspectRequest } from "../link/handover-protocol.ts";

/** A QEMU that is replaced is there again by then. */
const INSPECT_MS = 10_000;
const AGAIN_MS = 100;

type Target = {
  /** The guest's process, which may be replaced meanwhile. */
  guest(): Guest;
  readTwin(): Promise<Twin>;
};

/**
 * Inspects the files of the target's disks. They are found by way of the process, so one that is
 * replaced meanwhile has shown nothing: then the next one's are inspected.
 *
 * @throws Error when there is no process that could be inspected
 */
export async function inspectTarget(
  target: Target,
  { witness, digests }: InspectRequest,
): Promise<Inspection[]> {
  const deadlineMs = performance.now() + INSPECT_MS;
  for (;;) {
    const guest = target.guest();
    const twin = await target.readTwin().catch(() => undefined);
    const found = await twin?.files.inspect(witness, digests);
    if (found !== undefined && guest === target.guest() && guest.isAlive) return found;
    if (performance.now() > deadlineMs) throw new Error("The target's QEMU has ended");
    await delay(AGAIN_MS);
  }
}
