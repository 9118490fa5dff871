import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { AgentConfig } from "../runtime/config.ts";

/** Loopback has no speed in sysfs; a migration under software emulation reaches about this. */
const LOOPBACK_BYTES_PER_SECOND = 1_000_000_000;
/** For interfaces without a speed (virtual ones, bridges): 1 Gbit/s, a low estimate. */
const UNKNOWN_BYTES_PER_SECOND = 125_000_000;
const BITS_PER_BYTE = 8;

/** Speed of the migration network, B/s. */
export function linkOf({ linkBytesPerSecond: configured, migrationAddress }: AgentConfig): number {
  return configured ?? linkBytesPerSecond(migrationAddress);
}

/**
 * Speed of the interface that has this address, B/s, from sysfs (/sys/class/net/NAME/speed, Mbit/s, -1
 * when unknown). QEMU decides by this figure when to switch over.
 */
export function linkBytesPerSecond(address: string): number {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const found = addresses?.find((entry) => entry.address === address);
    if (found?.internal) return LOOPBACK_BYTES_PER_SECOND;
    if (found) return speedOf(name) ?? UNKNOWN_BYTES_PER_SECOND;
  }
  return UNKNOWN_BYTES_PER_SECOND;
}

function speedOf(name: string): number | undefined {
  try {
    const megabits = Number(readFileSync(`/sys/class/net/${name}/speed`, "utf8"));
    return megabits > 0 ? (megabits * 1_000_000) / BITS_PER_BYTE : undefined;
  } catch {
    return undefined;
  }
}
