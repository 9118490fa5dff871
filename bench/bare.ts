import { spawn } from "node:child_process";
import { join } from "node:path";
import type { VmDefinition } from "../core/vm.ts";
import { QmpClient } from "../qmp/client.ts";
import { waitForCounter } from "../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../rig/owned-folder.ts";

export type BareRun = {
  /** QEMU's own figure. */
  downtimeMs: number;
  /** STOP on the source to RESUME on the target, by QEMU's time stamps. */
  blackoutMs: number;
  /** QEMU's total-time. */
  qemuTotalMs: number;
  /** What the script takes beyond starting the target and QEMU's total-time. */
  overheadMs: number;
};

/**
 * The baseline: the same guest moved by the shortest script that does it right. One process speaks
 * QMP to both sides; nothing is recorded, and the target starts the guest by itself.
 */
export async function bareMigration(qemu: string, definition: VmDefinition): Promise<BareRun> {
  const folder = ownedFolder("sy-bare-");
  const serial = join(folder, "serial.log");
  const stop: (() => void)[] = [];
  const start = async (name: string, more: string[]) => {
    const socket = join(folder, `${name}.sock`);
    const child = spawn(qemu, [...bareArguments(definition), ...more, ...monitor(socket)], {
      stdio: "ignore",
    });
    stop.push(() => child.kill("SIGKILL"));
    return QmpClient.connect({ path: socket });
  };
  try {
    const source = await start("source", ["-serial", `file:${serial}`]);
    await waitForCounter(serial, ({ counter }) => counter > 20, { timeoutMs: 30_000 });
    const beginMs = performance.now();
    const target = await start("target", ["-serial", "null", "-incoming", "defer"]);
    const startMs = performance.now() - beginMs;
    const run = await migrate(source, target);
    const overheadMs = performance.now() - beginMs - startMs - run.qemuTotalMs;
    await Promise.all([source.close(), target.close()]);
    return { ...run, overheadMs };
  } finally {
    for (const end of stop) end();
    removeFolder(folder);
  }
}

async function migrate(source: QmpClient, target: QmpClient) {
  const capabilities = ["events", "return-path", "switchover-ack"].map((capability) => ({
    capability,
    state: true,
  }));
  for (const qmp of [source, target]) {
    await qmp.execute("migrate-set-capabilities", { capabilities });
  }
  await source.execute("migrate-set-parameters", { "max-bandwidth": 0 });
  await target.execute("migrate-incoming", { uri: "tcp:127.0.0.1:0" });
  const { "socket-address": addresses } = await target.execute("query-migrate");
  const within = { timeoutMs: 60_000 };
  const stopped = source.waitFor((event) => event.name === "STOP", within);
  const resumed = target.waitFor((event) => event.name === "RESUME", within);
  const completed = source.waitFor(
    (event) => event.name === "MIGRATION" && event.data.status === "completed",
    within,
  );
  // The first rejection is thrown by `Promise.all`; the others must not count as unhandled.
  for (const wait of [stopped, resumed, completed]) wait.catch(() => undefined);
  await source.execute("migrate", { uri: `tcp:127.0.0.1:${addresses?.[0]?.port}` });
  const [stop, resume] = await Promise.all([stopped, resumed, completed]);
  const info = await source.execute("query-migrate");
  return {
    downtimeMs: Number(info.downtime),
    blackoutMs: resume.timestampMs - stop.timestampMs,
    qemuTotalMs: Number(info["total-time"]),
  };
}

function bareArguments(definition: VmDefinition): string[] {
  const json = (option: string) => (value: object) => [option, JSON.stringify(value)];
  return [
    ["-nodefaults"],
    ["-display", "none"],
    ["-machine", definition.machine],
    ["-accel", "tcg"],
    ["-m", `${definition.memoryBytes / 2 ** 20}M`],
    ...definition.blockdevs.map(json("-blockdev")),
    ...definition.devices.map(json("-device")),
  ].flat();
}

function monitor(socket: string): string[] {
  return ["-qmp", `unix:${socket},server=on,wait=on`];
}
