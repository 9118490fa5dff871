import { setTimeout as delay } from "node:timers/promises";
import type { Guest } from "../../guest/guest.ts";

/** A QEMU that is replaced is there again by then. */
const READ_MS = 10_000;
const AGAIN_MS = 100;

type Target = {
  /** The guest's process, which may be replaced meanwhile. */
  guest(): Guest;
  isReplacing(): boolean;
};

/**
 * Reads something of the target's process, or by way of it. One that is replaced meanwhile has shown
 * nothing: then the next one is read.
 *
 * @throws what `read` throws; Error when there is no process that could be read
 */
export async function readTarget<T>(
  target: Target,
  read: (guest: Guest) => Promise<T | undefined>,
): Promise<T> {
  const deadlineMs = performance.now() + READ_MS;
  for (;;) {
    const guest = target.guest();
    const isStill = () => guest === target.guest() && guest.isAlive && !target.isReplacing();
    try {
      const found = await read(guest);
      if (found !== undefined && isStill()) return found;
    } catch (error) {
      if (isStill()) throw error;
    }
    if (performance.now() > deadlineMs) throw new Error("The target's QEMU has ended");
    await delay(AGAIN_MS);
  }
}
