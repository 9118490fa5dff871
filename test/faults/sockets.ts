import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const LISTEN = "0A";

/**
 * Whether a process has a TCP port open for others to connect to; false when there is no process.
 */
export function listens(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    const own = new Set(readdirSync(`/proc/${pid}/fd`).map((name) => target(pid, name)));
    return ["tcp", "tcp6"].some((table) =>
      readFileSync(`/proc/${pid}/net/${table}`, "utf8")
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .some(([, , , state, , , , , , inode]) => state === LISTEN && own.has(`socket:[${inode}]`)),
    );
  } catch {
    return false;
  }
}

function target(pid: number, name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${name}`);
  } catch {
    return "";
  }
}
