import { readFileSync } from "node:fs";

/** Addresses of the processes that are connected to a TCP port of this host. */
export function connectedPeers(port: number): string[] {
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => peersIn(readTable(path), port));
}

/** ESTABLISHED, and CLOSE_WAIT: the peer has closed, the local process has not (Linux, tcp_states.h). */
const CONNECTED = new Set(["01", "08"]);

/** The peers of a local port in the text of /proc/net/tcp or /proc/net/tcp6 (proc_pid_net(5)). */
export function peersIn(table: string, port: number): string[] {
  return table.split("\n").flatMap((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/);
    if (local === undefined || remote === undefined || !CONNECTED.has(state ?? "")) return [];
    if (Number.parseInt(local.split(":")[1] ?? "", 16) !== port) return [];
    return [addressOf(remote.split(":")[0] ?? "")];
  });
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

function readTable(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // A kernel without IPv6 has no tcp6.
  }
}
