import type { QmpClient } from "../../qmp/client.ts";
import { type GuestAction, guestActions } from "./acting-guest.ts";

/**
 * Writes to the I/O port of an action over a monitor of QEMU (QEMU hmp-commands.hx, `o`), so that any
 * guest of `pc` or `q35` sleeps, powers itself off, panics or resets at this moment. For QEMU the guest
 * itself has done it. `panic` needs `PANIC_DEVICE`.
 */
export async function forceAction(
  qmp: QmpClient,
  action: Exclude<GuestAction, "none">,
): Promise<void> {
  const { port, value } = guestActions[action];
  const size = value > 0xff ? "h" : "b";
  const line = `o /${size} ${port} ${value}`;
  await qmp.executeAny("human-monitor-command", { "command-line": line });
}
