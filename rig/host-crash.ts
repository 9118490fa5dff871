import { randomUUID } from "node:crypto";
import { cpSync, existsSync, lstatSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Fleet } from "./fleet.ts";
import { killProcessesUnder } from "./processes.ts";

/** What an agent keeps on disk: folders in that of its host. */
const KEPT = ["run", "state"];

/** What was on a host's disk at one moment. */
export type HostSnapshot = { readonly folder: string };

/** Copies what the agent of a host keeps, as if everything had been synced at this moment. */
export function saveHost(fleet: Fleet, host: string): HostSnapshot {
  const folder = join(fleet.folder, `${host}.saved`);
  rmSync(folder, { recursive: true, force: true });
  for (const name of KEPT) {
    const from = join(fleet.folder, host, name);
    if (!existsSync(from)) continue;
    cpSync(from, join(folder, name), { recursive: true, filter: isCopied });
  }
  return { folder };
}

/**
 * The host loses power: its agent and its guests end at once, and it has another boot id from now on.
 * `snapshot`: what was written after it is lost; `nothing`: all is lost; default: all was synced. The
 * agent is not started again.
 */
export async function crashHost(
  fleet: Fleet,
  host: string,
  left: HostSnapshot | "nothing" | "all" = "all",
): Promise<void> {
  const agent = fleet.agent(host);
  agent.kill("SIGKILL");
  await agent.exited;
  killProcessesUnder(join(fleet.folder, host));
  writeFileSync(join(fleet.folder, host, "boot-id"), randomUUID());
  if (left === "all") return;
  for (const name of KEPT) {
    const path = join(fleet.folder, host, name);
    rmSync(path, { recursive: true, force: true });
    if (left === "nothing") continue;
    const saved = join(left.folder, name);
    if (existsSync(saved)) cpSync(saved, path, { recursive: true });
  }
}

/** Sockets are not copied: they end with their processes. A file may vanish meanwhile. */
function isCopied(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && (stats.isFile() || stats.isDirectory());
}
