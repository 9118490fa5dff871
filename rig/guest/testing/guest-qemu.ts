import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { QmpClient } from "../../../qmp/client.ts";
import { bootDiskDefinition } from "../boot-disk.ts";

export type GuestQemuOptions = {
  readonly binary: string;
  /** Holds this QEMU's sockets and serial log. */
  readonly directory: string;
  /** Distinguishes the QEMUs of one directory. */
  readonly name: string;
  readonly diskPath: string;
  /** Default: "pc". */
  readonly machine?: string;
  /** Default: 64 MiB. */
  readonly memoryMebibytes?: number;
  /** More arguments, such as `["-incoming", "defer"]`. */
  readonly args?: readonly string[];
};

/** A QEMU that runs, or waits for, the guest of this folder. */
export type GuestQemu = {
  readonly qmp: QmpClient;
  readonly pid: number;
  readonly serialPath: string;
  /** Kills QEMU and waits for its end. */
  readonly stop: () => Promise<void>;
};

/** Starts QEMU on TCG with nothing but the guest's disk, a serial log and a QMP socket. */
export async function startGuestQemu(options: GuestQemuOptions): Promise<GuestQemu> {
  const { binary, directory, name, diskPath, machine = "pc", memoryMebibytes = 64 } = options;
  const serialPath = join(directory, `${name}.serial`);
  const qmpPath = join(directory, `${name}.qmp`);
  const args = [
    ["-nodefaults", "-display", "none", "-accel", "tcg", "-machine", machine],
    ["-m", String(memoryMebibytes), "-serial", `file:${serialPath}`],
    ["-qmp", `unix:${qmpPath},server=on,wait=on`],
    qemuArguments(bootDiskDefinition(diskPath)),
    options.args ?? [],
  ].flat();
  const qemu = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] });
  try {
    const qmp = await connect(qemu, qmpPath);
    return { qmp, pid: qemu.pid ?? -1, serialPath, stop: () => qmp.close().then(() => kill(qemu)) };
  } catch (error) {
    await kill(qemu);
    throw error;
  }
}

/** The disks of a definition as QEMU's arguments. */
export function qemuArguments(definition: {
  readonly blockdevs: readonly object[];
  readonly devices: readonly object[];
}): string[] {
  return [
    ...definition.blockdevs.flatMap((blockdev) => ["-blockdev", JSON.stringify(blockdev)]),
    ...definition.devices.flatMap((device) => ["-device", JSON.stringify(device)]),
  ];
}

/** QMP on `path`; fails at once, with what QEMU said, when QEMU does not start. */
async function connect(qemu: ChildProcess, path: string): Promise<QmpClient> {
  const ended = new AbortController();
  let complaint = "";
  qemu.stderr?.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk).slice(-2_000);
  });
  const onEnd = () => ended.abort(new Error(`Failed to start QEMU: ${complaint}`));
  qemu.once("error", onEnd).once("close", onEnd);
  try {
    return await QmpClient.connect({ path }, { signal: ended.signal });
  } finally {
    qemu.off("close", onEnd);
  }
}

async function kill(qemu: ChildProcess): Promise<void> {
  if (qemu.pid === undefined || qemu.exitCode !== null || qemu.signalCode !== null) return;
  const exited = once(qemu, "exit");
  qemu.kill("SIGKILL");
  await exited;
}
