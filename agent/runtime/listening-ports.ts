import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Linux, tcp_states.h, TCP_LISTEN. */
const LISTEN = "0A";

/** The TCP ports that a process listens on (proc_pid_net(5), proc_pid_fd(5)); none without a process. */
export function listeningPorts(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  try {
    const own = new Set(readdirSync(`/proc/${pid}/fd`).map((name) => target(pid, name)));
    return ["tcp", "tcp6"].flatMap((table) =>
      readFileSync(`/proc/${pid}/net/${table}`, "utf8")
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter(
          ([, , , state, , , , , , inode]) => state === LISTEN && own.has(`socket:[${inode}]`),
        )
        .map(([, address]) => Number.parseInt(address?.split(":").at(-1) ?? "", 16)),
    );
  } catch {
    return [];
  }
}

function target(pid: number, name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${name}`);
  } catch {
    return "";
  }
}
