import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat, proc(5)), or
 * undefined when there is no such process or it is a zombie. With the pid it identifies one process.
 */
export function startTicks(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The second field is the command in brackets, which may contain brackets itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** Pids are reused, and ticks start again with each boot: all three identify one process. */
export type ProcessIdentity = {
  pid: number;
  startTicks: string;
  /** Absent in files of older agents: then it is not compared. */
  bootId?: string | undefined;
};

/**
 * Identifies the boot of this host (random(4)). Tests name another file, to let a host appear to
 * have booted again.
 */
export function bootId(): string {
  const path = process.env.SWITCHYARD_BOOT_ID_FILE ?? "/proc/sys/kernel/random/boot_id";
  return readFileSync(path, "utf8").trim();
}

/** @throws Error when there is no such process */
export function identify(pid: number | undefined): ProcessIdentity {
  const ticks = pid === undefined ? undefined : startTicks(pid);
  if (pid === undefined || ticks === undefined)
    throw new Error(`Process ${pid ?? "(not started)"} has ended`);
  return { pid, startTicks: ticks, bootId: bootId() };
}

export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== undefined && identity.bootId !== bootId()) return false;
  return startTicks(identity.pid) === identity.startTicks;
}

/**
 * Resolves true when the process has ended, false when it still runs after `timeoutMs` or when `signal`
 * aborts. The process is polled every `everyMs`.
 */
export async function waitForEnd(
  identity: ProcessIdentity,
  timeoutMs: number,
  { everyMs = 5, signal }: { everyMs?: number; signal?: AbortSignal } = {},
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(identity)) {
    if (signal?.aborted || performance.now() >= deadline) return false;
    await sleep(everyMs, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
  return true;
}

/** Sends a signal to exactly this process; false when it has ended. */
export function sendSignal(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch {
    return false;
  }
}
