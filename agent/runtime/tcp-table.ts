import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { openInodes } from "./open-sockets.ts";

/** A row of the kernel's table of TCP sockets. */
export type TcpSocket = {
  readonly localPort: number;
  /** As Node writes it; an IPv4 address that was mapped to IPv6 is IPv4 again. */
  readonly remoteAddress: string;
  readonly state: TcpState;
  /** What the process has sent and the peer has not acknowledged. */
  readonly unacknowledgedBytes: number;
  /** How often the kernel has sent the oldest of these bytes again; 0: no answer is overdue. */
  readonly retransmits: number;
  readonly inode: string;
};

/** Linux, tcp_states.h. `closed-by-peer`: the local process has not closed it yet. */
const STATES = { "01": "established", "08": "closed-by-peer", "0A": "listening" } as const;
export type TcpState = (typeof STATES)[keyof typeof STATES] | "other";

/** The timer that sends again (Linux, net/ipv4/tcp_ipv4.c, get_tcp4_sock); 4 asks a full peer for room. */
const RETRANSMIT_TIMER = "01";

/** The TCP sockets of the network namespace of a process (proc_pid_net(5)). */
function tcpSockets(pid: number): TcpSocket[] {
  return ["tcp", "tcp6"].flatMap((name) => parseTcpTable(readTable(`/proc/${pid}/net/${name}`)));
}

/** The tables to read for an address, by its family as `isIP` gives it; 0: it is a host name. */
const families: Readonly<Record<number, readonly string[]>> = {
  0: ["tcp", "tcp6"],
  4: ["tcp"],
  6: ["tcp6"],
};

/**
 * The TCP sockets of this host, of the family of an address. A table takes the kernel some
 * milliseconds, for which the agent is not blocked.
 */
export async function tcpSocketsAt(address: string): Promise<TcpSocket[]> {
  const tables = (families[isIP(address)] ?? []).map(async (name) => {
    // A kernel without IPv6 has no tcp6.
    return parseTcpTable(await readFile(`/proc/self/net/${name}`, "utf8").catch(() => ""));
  });
  return (await Promise.all(tables)).flat();
}

/** The TCP sockets that a process has open; none without a process. */
export function ownTcpSockets(pid: number | undefined): TcpSocket[] {
  if (pid === undefined) return [];
  const own = openInodes(pid) ?? new Set();
  return tcpSockets(pid).filter(({ inode }) => own.has(inode));
}

/** @param table the text of /proc/net/tcp or /proc/net/tcp6 */
export function parseTcpTable(table: string): TcpSocket[] {
  return table.split("\n").flatMap((line) => {
    const [, local, remote, state, queues, timer, retransmits, , , inode] = line
      .trim()
      .split(/\s+/);
    // The head has other words.
    if (inode === undefined || !local?.includes(":") || !remote?.includes(":")) return [];
    const isResending = timer?.split(":")[0] === RETRANSMIT_TIMER;
    return [
      {
        localPort: hex(local.split(":")[1]),
        remoteAddress: addressOf(remote.split(":")[0] ?? ""),
        state: STATES[state as keyof typeof STATES] ?? "other",
        unacknowledgedBytes: hex(queues?.split(":")[0]),
        retransmits: isResending ? hex(retransmits) : 0,
        inode,
      },
    ];
  });
}

function hex(digits = ""): number {
  return Number.parseInt(digits, 16);
}

/** The kernel prints each 32-bit word of an address in the byte order of the host: little-endian. */
function addressOf(digits: string): string {
  const words = digits.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse());
  const numbers = bytes.map(hex);
  if (numbers.length === 4) return numbers.join(".");
  const isMapped = numbers.slice(0, 10).every((byte) => byte === 0) && numbers[10] === 255;
  if (isMapped) return numbers.slice(12).join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    bytes.slice(2 * index, 2 * index + 2).join(""),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function readTable(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // A kernel without IPv6 has no tcp6, and an ended process has none.
  }
}
