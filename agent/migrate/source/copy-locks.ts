import { setTimeout as delay } from "node:timers/promises";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import { foreignLocks } from "../../storage/image-locks.ts";

const POLL_MS = 200;

type Of = Pick<Guest, "manifest">;

/**
 * Refuses where another process has a lock on an image that is copied: QEMU would abort if a mirror of
 * it began or ended now (docs/internals/qemu-facts.md, "Mirrors to a migration's target").
 *
 * @throws CommandRefusedError `refused`, naming disk, owner and cure
 */
export function refuseLockedCopies({ manifest }: Of): void {
  for (const { disk, path } of manifest.migration?.copies?.disks ?? []) {
    const owners = path === undefined ? [] : foreignLocks(manifest.pid, path);
    if (owners.length === 0) continue;
    const message = `Disk ${disk}: its image ${path} is locked by ${owners.join(", ")}: QEMU would abort if a copy began or ended now; wait until the lock is released, or end its owner`;
    throw new CommandRefusedError("refused", message);
  }
}

/**
 * Waits until no other process has such a lock.
 *
 * @throws CommandRefusedError as {@link refuseLockedCopies}, when one is there after `withinMs`
 */
export async function copiesUnlocked(guest: Of, withinMs: number): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    try {
      return refuseLockedCopies(guest);
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
    await delay(POLL_MS);
  }
}
