import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { QmpClient } from "../../../../qmp/client.ts";
import { isQmpEvent } from "../../../../qmp/events.ts";
import type { MigrateOnceOptions, MigrateOnceResult } from "./migrate-once-types.ts";

/**
 * Moves the rig's guest once between two QEMUs, in L1, with nothing of the project but its QMP
 * client: the proof that the rig itself works. Runs as `migrate-once.ts OPTIONS`; options and
 * result are JSON.
 */

const ACKED = "source_return_path_thread_switchover_acked";
const DEADLINE_MS = 60_000;
const WARM_PASSES = 5;
const HOLD_BYTES_PER_SECOND = 20_000;
/**
 * Every device costs downtime when code runs through two emulators, most of all the first time; the
 * description of the stream, for analysis only, costs as much again.
 */
const MACHINE = "pc,acpi=off,usb=off,hpet=off,i8042=off,smbus=off,vmport=off,suppress-vmdesc=on";
const ENDS: readonly unknown[] = ["completed", "failed", "cancelled"];

const children: ChildProcess[] = [];

type Side = {
  qmp: QmpClient;
  serial: string;
  log: string;
};

async function main(options: MigrateOnceOptions): Promise<MigrateOnceResult> {
  await mkdir(options.folder, { recursive: true });
  try {
    return await prepareAndMigrate(options);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

async function prepareAndMigrate(options: MigrateOnceOptions): Promise<MigrateOnceResult> {
  const [source, target] = await Promise.all([
    start(options, "source", options.sourceDevices, []),
    start(options, "target", options.targetDevices, ["-S", "-incoming", "defer"]),
  ]);
  await configure(source.qmp, options.switchoverAck);
  await configure(target.qmp, options.switchoverAck);
  await target.qmp.execute("migrate-incoming", { uri: "tcp:127.0.0.1:0" });
  const incoming = await target.qmp.execute("query-migrate");
  const port = incoming["socket-address"]?.[0]?.port;
  await untilLines(source.serial, 3);
  return await migrate(source, target, `tcp:127.0.0.1:${port}`);
}

async function migrate(source: Side, target: Side, uri: string): Promise<MigrateOnceResult> {
  const stopped = source.qmp.waitFor((event) => isQmpEvent(event, "STOP"), {
    timeoutMs: DEADLINE_MS,
  });
  const ended = source.qmp.waitFor(
    (event) => isQmpEvent(event, "MIGRATION") && ENDS.includes(event.data.status),
    { timeoutMs: DEADLINE_MS },
  );
  keepPassesRare(source.qmp);
  const startedMs = Date.now();
  await source.qmp.execute("migrate", { uri });
  await ended;
  const info = await source.qmp.execute("query-migrate");
  if (info.status === "completed") {
    await target.qmp.execute("cont");
    const { length } = await readFile(target.serial);
    await untilLines(target.serial, 3, length);
  }
  const ackAtMs = await findAck(source.log);
  return {
    status: info.status ?? "none",
    error: info["error-desc"],
    downtimeMs: info.downtime,
    totalMs: info["total-time"],
    vfioBytes: info.vfio?.transferred,
    ackAfterMs: ackAtMs === undefined ? undefined : ackAtMs - startedMs,
    stopAfterMs: (await stopped).timestampMs - startedMs,
    sourceSerial: await readFile(source.serial, "utf8"),
    targetSerial: await readFile(target.serial, "utf8"),
  };
}

/**
 * While the ACK is awaited with hardly anything to send, QEMU reads the dirty log in a loop without
 * a pause, about 1000 times a second here, and the switchover then meets a busy machine: 230 ms of
 * downtime instead of 40 to 90. A low bandwidth paces the loop; the switchover itself is not
 * limited.
 */
function keepPassesRare(qmp: QmpClient): void {
  let passes = 0;
  const unsubscribe = qmp.on("MIGRATION_PASS", async (event) => {
    passes += event.count;
    if (passes < WARM_PASSES) return;
    unsubscribe();
    await qmp.execute("migrate-set-parameters", { "max-bandwidth": HOLD_BYTES_PER_SECOND });
  });
}

async function start(
  options: MigrateOnceOptions,
  name: string,
  devices: readonly string[],
  extra: readonly string[],
): Promise<Side> {
  const file = (suffix: string) => path.join(options.folder, `${name}.${suffix}`);
  const args = [
    ["-accel", "tcg", "-machine", MACHINE, "-m", "32", "-nodefaults", "-display", "none"],
    ["-drive", "file=/guest.img,format=raw,if=ide,snapshot=on"],
    ["-serial", `file:${file("serial")}`, "-qmp", `unix:${file("qmp")},server=on,wait=off`],
    ["-msg", "timestamp=on", "-D", file("log"), "-trace", ACKED],
    ...devices.map((device) => ["-device", device]),
    extra,
  ].flat();
  const child = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "inherit", "inherit"] });
  children.push(child);
  const exited = new AbortController();
  child.once("exit", (code) => exited.abort(new Error(`The ${name} QEMU ended with ${code}`)));
  const qmp = await QmpClient.connect(
    { path: file("qmp") },
    { connectTimeoutMs: DEADLINE_MS, signal: exited.signal },
  );
  return { qmp, serial: file("serial"), log: file("log") };
}

async function configure(qmp: QmpClient, switchoverAck: boolean): Promise<void> {
  const states = { events: true, "return-path": true, "switchover-ack": switchoverAck };
  const capabilities = Object.entries(states).map(([capability, state]) => ({ capability, state }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
  await qmp.execute("migrate-set-parameters", {
    "downtime-limit": 300,
    "max-bandwidth": 0,
    "avail-switchover-bandwidth": 1_000_000_000,
  });
}

/** Waits until the file has `count` whole lines after an offset. */
async function untilLines(file: string, count: number, offset = 0): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (performance.now() < deadlineMs) {
    const text = await readFile(file, "latin1").catch(() => "");
    if (text.slice(offset).split("\n").length > count) return;
    await delay(20);
  }
  throw new Error(`Expected ${count} lines in ${file} after byte ${offset}`);
}

/** QEMU's trace line `<thread>@<seconds>.<microseconds>:<event>`; the only evidence of the ACK. */
async function findAck(log: string): Promise<number | undefined> {
  const text = await readFile(log, "utf8").catch(() => "");
  const seconds = text.match(new RegExp(`@(\\d+\\.\\d+):${ACKED}`))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

const options = JSON.parse(process.argv[2] ?? "{}") as MigrateOnceOptions;
process.stdout.write(`${JSON.stringify(await main(options))}\n`);
process.exit(0);
