import { readFile } from "node:fs/promises";
import { isIP } from "node:net";

/** The kernel's tables of connections by the family of the listener's address; 0: a name. */
const tables: Record<number, readonly string[]> = {
  0: ["/proc/net/tcp", "/proc/net/tcp6"],
  4: ["/proc/net/tcp"],
  6: ["/proc/net/tcp6"],
};

/**
 * Addresses of the processes that are connected to a TCP port of this host. A table takes the kernel
 * some milliseconds, for which the agent is not blocked.
 *
 * @param address where the port's process listens
 */
export async function connectedPeers(address: string, port: number): Promise<string[]> {
  const texts = await Promise.all((tables[isIP(address)] ?? []).map(readTable));
  return texts.flatMap((text) => peersIn(text, port));
}

/** ESTABLISHED, and CLOSE_WAIT: the peer has closed, the local process has not (Linux, tcp_states.h). */
const CONNECTED = "0[18]";

/** The peers of a local port in the text of /proc/net/tcp or /proc/net/tcp6 (proc_pid_net(5)). */
export function peersIn(table: string, port: number): string[] {
  const local = port.toString(16).toUpperCase().padStart(4, "0");
  const line = new RegExp(`^ *\\d+: [0-9A-F]+:${local} ([0-9A-F]+):[0-9A-F]+ ${CONNECTED} `, "gm");
  return [...table.matchAll(line)].map(([, remote = ""]) => addressOf(remote));
}

/** An address as Node writes it; an IPv4 address that was mapped to IPv6 becomes IPv4 again. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, "");
}

/** The kernel prints each 32-bit word of an address in the byte order of the host: little-endian. */
function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse());
  const numbers = bytes.map((byte) => Number.parseInt(byte, 16));
  if (numbers.length === 4) return numbers.join(".");
  const isMapped = numbers.slice(0, 10).every((byte) => byte === 0) && numbers[10] === 255;
  if (isMapped) return numbers.slice(12).join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    bytes.slice(2 * index, 2 * index + 2).join(""),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

async function readTable(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return ""; // A kernel without IPv6 has no tcp6.
  }
}
