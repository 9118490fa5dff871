import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;

/**
 * From now on every write of a running QEMU at or above an offset fails, in each of its files, with
 * EFBIG ("File too large"): the limit RLIMIT_FSIZE, set from outside by prlimit(1). It stops a guest
 * with `werror=stop` on a disk of driver `file`, without a monitor and on the source alone: a target
 * has no limit. Reads go on.
 *
 * Keep the offset above the length of the console's log. A write that QEMU's main thread makes above
 * it ends QEMU by SIGXFSZ; those of its I/O threads, which block signals, only fail.
 *
 * @throws Error when there is no such process, no prlimit, or no permission.
 */
export async function limitWrites(pid: number, offsetBytes: number): Promise<void> {
  await run("prlimit", ["--pid", String(pid), `--fsize=${offsetBytes}:`], { timeout: TIMEOUT_MS });
}

/**
 * From now on the writes succeed again. Succeeds too when there was no limit.
 *
 * @throws Error as `limitWrites` does.
 */
export async function liftWriteLimit(pid: number): Promise<void> {
  await run("prlimit", ["--pid", String(pid), "--fsize=unlimited:"], { timeout: TIMEOUT_MS });
}
