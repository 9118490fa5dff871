import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { isPostcopyStatus, isUnloadedStatus } from "../../core/qemu/migration-status.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";
import { CommandRefusedError } from "../command/command-error.ts";

/** The devices' state comes in one package before the guest may run. */
const PACKAGE_MS = 30_000;
/** Both ends see a cut within moments; half of this, and the target is told. */
const PAUSE_MS = 5_000;
const ASK_MS = 20;

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
    await delay(ASK_MS);
  }
}

/**
 * Listens again after a break, at a new port each time. Only out-of-band commands are used: a guest
 * that waits for a page can hold QEMU's main loop up, and then nothing else is answered. The port is
 * chosen here, since QEMU could not be asked for it. A target that has not noticed the break is told
 * of it. Null when it has everything already.
 *
 * @throws CommandRefusedError when it does not pause within 5 s; QmpError
 */
export async function listenAgain(qmp: QmpClient, address: string): Promise<number | null> {
  const deadline = performance.now() + PAUSE_MS;
  let isTold = false;
  for (;;) {
    const port = await freePort(address);
    const refused = await attempt(qmp, { "migrate-recover": `tcp:${hostPart(address)}:${port}` });
    if (refused === undefined) return port;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) {
      if (await isCompleted(qmp)) return null;
      throw new CommandRefusedError("qemu", `The target cannot recover: ${refused}`);
    }
    if (leftMs < PAUSE_MS / 2 && !isTold) {
      isTold = true;
      await attempt(qmp, "migrate-pause");
    }
    await delay(ASK_MS);
  }
}

/** QEMU wants IPv6 addresses in brackets. */
export function hostPart(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/** Why QEMU refuses it; undefined when it does not. */
async function attempt(
  qmp: QmpClient,
  what: "migrate-pause" | { "migrate-recover": string },
): Promise<string | undefined> {
  try {
    if (what === "migrate-pause") await qmp.execute("migrate-pause");
    else await qmp.execute("migrate-recover", { uri: what["migrate-recover"] });
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

async function freePort(address: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, address, resolve);
  });
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (bound === null || typeof bound === "string") throw new Error("Expected a TCP port");
  return bound.port;
}
