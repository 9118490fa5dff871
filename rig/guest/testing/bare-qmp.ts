import { join } from "node:path";
import { expect, vi } from "vitest";
import type { GuestQemu } from "./guest-qemu.ts";

/** On a busy machine. */
const WAIT_MS = 60_000;

/**
 * Moves the guest by bare QMP until both sides are `completed`. The target has `-incoming defer`.
 * With `-S` too it does not run before `cont`.
 */
export async function moveGuest(
  source: GuestQemu,
  target: GuestQemu,
  directory: string,
): Promise<void> {
  const uri = `unix:${join(directory, "migration")}`;
  await target.qmp.executeAny("migrate-incoming", { uri });
  await source.qmp.executeAny("migrate", { uri });
  await vi.waitFor(async () => {
    for (const { qmp } of [source, target]) {
      expect(await qmp.executeAny("query-migrate")).toMatchObject({ status: "completed" });
    }
  }, WAIT_MS);
}

/** Waits until QEMU reports the run state. */
export function expectStatus({ qmp }: GuestQemu, status: string): Promise<void> {
  return vi.waitFor(async () => {
    expect(await qmp.executeAny("query-status")).toMatchObject({ status });
  }, WAIT_MS);
}
