import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { VmId } from "../../core/id.ts";
import { identify, sendSignal, startTicks, waitForEnd } from "../runtime/process.ts";
import { type Launch, LaunchError, type Launched } from "./launch.ts";

/*
 * Where systemd runs, each guest is a transient service in a slice of its own. PID 1 starts it, so it
 * has nothing of the agent's unit: no seccomp filter, mounts, capabilities, limits or cgroup. Stopping,
 * upgrading or removing the agent's unit does not reach it, and each guest has its own fate when memory
 * runs out.
 *
 * The unit runs a script that becomes QEMU: systemd would expand `$` and `%` in arguments, and a line
 * of a unit file has at most 1 MiB.
 */

const SCRIPT = "launch.sh";
const COMMAND_MS = 30_000;
const WATCH_EVERY_MS = 20;
const SUFFIX_BYTES = 4;
const properties = [
  // VFIO and RDMA lock the guest's memory.
  "LimitMEMLOCK=infinity",
  "LimitNOFILE=524288",
  "TasksMax=infinity",
  "UMask=0077",
];
const run = promisify(execFile);

/**
 * Starts QEMU as a transient service of systemd.
 *
 * @throws LaunchError with the words of systemd: then nothing of it is left
 */
export async function launchUnit(launch: Launch, vm: VmId, slice: string): Promise<Launched> {
  const { folder } = launch;
  const script = join(folder, SCRIPT);
  writeFileSync(script, launchScript(launch), { mode: 0o600 });
  // The process of an earlier start may not have ended yet.
  const unit = `switchyard-guest-${vm}-${randomBytes(SUFFIX_BYTES).toString("hex")}.service`;
  try {
    await command("systemd-run", [
      "--quiet",
      "--collect",
      "--service-type=exec",
      `--unit=${unit}`,
      `--slice=${slice}`,
      `--description=Guest ${vm} of Switchyard`,
      `--working-directory=${folder}`,
      `--setenv=PATH=${process.env.PATH ?? ""}`,
      ...properties.map((property) => `--property=${property}`),
      "/bin/sh",
      script,
    ]);
    const pid = await command("systemctl", ["show", "--property=MainPID", "--value", unit]);
    return launched(Number(pid));
  } catch (error) {
    await command("systemctl", ["kill", "--signal=KILL", unit]).catch(() => undefined);
    throw error;
  }
}

/** @throws LaunchError when there is no such process any more */
function launched(pid: number): Launched {
  if (startTicks(pid) === undefined) throw new LaunchError("QEMU ended at once");
  const identity = identify(pid);
  return {
    identity,
    ended: async (signal) => {
      await waitForEnd(identity, Number.POSITIVE_INFINITY, { everyMs: WATCH_EVERY_MS, signal });
      throw new LaunchError("QEMU ended");
    },
    kill: () => void sendSignal(identity, "SIGKILL"),
  };
}

/** A script that becomes QEMU: the shell's process is QEMU's. */
export function launchScript({ qemu, args, output }: Omit<Launch, "folder">): string {
  const words = [qemu, ...args].map(quote).join(" \\\n  ");
  return `exec ${words} \\\n  </dev/null >>${quote(output)} 2>&1\n`;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** @throws LaunchError with what the program wrote */
async function command(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(program, args, { timeout: COMMAND_MS });
    return stdout.trim();
  } catch (cause) {
    const words: unknown = Object(cause).stderr;
    const said = typeof words === "string" && words.trim() !== "" ? words.trim() : String(cause);
    throw new LaunchError(`${program} failed: ${said}`, { cause });
  }
}
