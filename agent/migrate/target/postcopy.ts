import { setTimeout as delay } from "node:timers/promises";
import { isPostcopyStatus, isUnloadedStatus } from "../../../core/qemu/migration-status.ts";
import type { QmpClient } from "../../../qmp/client.ts";
import { QmpCommandError } from "../../../qmp/error.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import { freePorts, hostPart, type PortRange } from "../link/port-range.ts";

/** The devices' state comes in one package before the guest may run. */
const PACKAGE_MS = 30_000;
/** Both sides notice a break within moments. After half of this the target is made to pause. */
const PAUSE_MS = 5_000;
const POLL_MS = 20;

/**
 * Waits until the target has all but memory, so that `cont` starts the guest and nothing else.
 *
 * @throws CommandRefusedError when the stream has failed, or the package has not come within 30 s
 */
export async function waitUntilPostcopy(qmp: QmpClient): Promise<void> {
  const deadline = performance.now() + PACKAGE_MS;
  for (;;) {
    const [{ status = "none" }, run] = await Promise.all([
      qmp.execute("query-migrate"),
      qmp.execute("query-status"),
    ]);
    const isThere = status === "completed" || isPostcopyStatus(status);
    if (isThere && run.status !== "inmigrate") return;
    if (isUnloadedStatus(status) || performance.now() > deadline) {
      throw new CommandRefusedError("refused", `The target does not have the guest (${status})`);
    }
    await delay(POLL_MS);
  }
}

/**
 * Makes a target listen again after a break, at a new port each time. It uses out-of-band commands
 * only: a guest that waits for a page can block QEMU's main loop, which then answers nothing else. So
 * the port is chosen here, since QEMU could not be asked for it. A target that has not noticed the
 * break is made to pause. Null when it has everything already.
 *
 * @throws CommandRefusedError when it does not pause within 5 s; QmpError
 */
export async function listenAgain(
  qmp: QmpClient,
  address: string,
  ports: PortRange,
): Promise<number | null> {
  const deadline = performance.now() + PAUSE_MS;
  let isPaused = false;
  for (;;) {
    const [port = 0] = await freePorts(ports, address, 1);
    const refused = await attempt(qmp, { "migrate-recover": `tcp:${hostPart(address)}:${port}` });
    if (refused === undefined) return port;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) {
      if (await isCompleted(qmp)) return null;
      throw new CommandRefusedError("qemu", `The target cannot recover: ${refused}`);
    }
    if (leftMs < PAUSE_MS / 2 && !isPaused) {
      isPaused = true;
      await attempt(qmp, "migrate-pause");
    }
    await delay(POLL_MS);
  }
}

/** QEMU wants IPv6 addresses in brackets. */
/** The error with which QEMU refuses the command; undefined when it does not. */
async function attempt(
  qmp: QmpClient,
  command: "migrate-pause" | { "migrate-recover": string },
): Promise<string | undefined> {
  try {
    if (command === "migrate-pause") await qmp.execute("migrate-pause");
    else await qmp.execute("migrate-recover", { uri: command["migrate-recover"] });
    return undefined;
  } catch (error) {
    if (error instanceof QmpCommandError) return error.message;
    throw error;
  }
}

async function isCompleted(qmp: QmpClient): Promise<boolean> {
  try {
    const { status } = await qmp.execute("query-migrate", {}, { timeoutMs: PAUSE_MS });
    return status === "completed";
  } catch {
    return false;
  }
}
