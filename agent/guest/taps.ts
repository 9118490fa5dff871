import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import { HostResource } from "../../core/host-resources.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { HostValue, TapValue } from "../runtime/host-values.ts";

/*
 * Taps of guests, made by iproute2 (`ip`, and `bridge` for VLANs):
 *
 *   before QEMU starts      ip tuntap add; alias, mtu, bridge, VLAN; the link stays down
 *   the guest runs here     ip link set up: at once for a guest that is started, after RESUME for one
 *                           that arrives, so that two hosts never have the guest's address at once
 *   the process has ended   ip link delete
 *
 * A tap is found by its alias, which names the guest's folder: what an agent that died has left is
 * removed by the next one.
 */

/** A tap of one guest on this host. */
export type Tap = {
  /** Of the interface; the same each time for this folder and netdev. */
  readonly name: string;
  readonly folder: string;
  readonly queues: number;
  readonly value: TapValue;
};

type Netdev = NonNullable<VmDefinition["netdevs"]>[number];

const ALIAS = "switchyard ";
const COMMAND_MS = 10_000;
const run = promisify(execFile);

/** The tap of a netdev whose `ifname` is a host resource of that type, and the netdev for QEMU. */
export function tapOf(
  netdev: Netdev,
  resources: Readonly<Record<string, HostValue>>,
  folder: string,
): { tap: Tap; netdev: Netdev } | undefined {
  const { data: resource } = HostResource.safeParse(netdev.ifname);
  if (netdev.type !== "tap" || resource === undefined) return undefined;
  const value = resources[resource.$host];
  if (typeof value !== "object" || value.type !== "tap") return undefined;
  const queues = typeof netdev.queues === "number" ? netdev.queues : 1;
  const name = nameOf(folder, String(netdev.id));
  const vhost = value.vhost === undefined ? {} : { vhost: value.vhost };
  const scripts = { script: "no", downscript: "no" };
  return {
    tap: { name, folder, queues, value },
    netdev: { ...vhost, ...netdev, ...scripts, ifname: name },
  };
}

/** Names of the taps that the guest of a folder may have. */
export function tapNames({ netdevs = [] }: VmDefinition, folder: string): string[] {
  return netdevs
    .filter(({ type, ifname }) => type === "tap" && HostResource.safeParse(ifname).success)
    .map(({ id }) => nameOf(folder, String(id)));
}

/** Two agents on one machine have different folders. IFNAMSIZ leaves 15 characters. */
function nameOf(folder: string, id: string): string {
  const digest = createHash("sha256").update(`${folder} ${id}`).digest("hex");
  return `sy${digest.slice(0, 12)}`;
}

/**
 * Makes taps, with their links down.
 *
 * @throws CommandRefusedError `refused` with the words of `ip`: then none of them is left
 */
export async function makeTaps(taps: readonly Tap[]): Promise<void> {
  for (const tap of taps) {
    try {
      await makeTap(tap);
    } catch (cause) {
      await removeTaps(taps.map(({ name }) => name));
      throw new CommandRefusedError(
        "refused",
        `Failed to make the tap ${tap.name} on ${tap.value.bridge ?? "no bridge"}: ${messageOf(cause)}: correct the resource of type tap in the configuration of the host's agent`,
        { cause },
      );
    }
  }
}

async function makeTap({ name, folder, queues, value }: Tap): Promise<void> {
  const { bridge, vlan, mtu } = value;
  await ip("link", "delete", "dev", name).catch(() => undefined);
  const multiQueue = queues > 1 ? ["multi_queue"] : [];
  await ip("tuntap", "add", "dev", name, "mode", "tap", ...multiQueue, "vnet_hdr");
  await ip("link", "set", "dev", name, "alias", `${ALIAS}${folder}`);
  if (mtu !== undefined) await ip("link", "set", "dev", name, "mtu", String(mtu));
  if (bridge === undefined) return;
  await ip("link", "set", "dev", name, "master", bridge);
  if (vlan === undefined) return;
  if (vlan !== 1) await command("bridge", "vlan", "del", "dev", name, "vid", "1");
  await command("bridge", "vlan", "add", "dev", name, "vid", String(vlan), "pvid", "untagged");
}

/** The guest runs here: its taps carry packets from now on. @throws Error in the words of `ip` */
export async function raiseTaps(names: readonly string[]): Promise<void> {
  for (const name of names) {
    if (existsSync(`/sys/class/net/${name}`)) await ip("link", "set", "dev", name, "up");
  }
}

/** Removes taps; one that is not there is no error. */
export async function removeTaps(names: readonly string[]): Promise<void> {
  for (const name of names) await ip("link", "delete", "dev", name).catch(() => undefined);
}

const Links = z.array(z.object({ ifname: z.string(), ifalias: z.string().optional() }));

/** Removes the taps of folders in the run directory that are not among these. */
export async function removeStrayTaps(runDir: string, folders: readonly string[]): Promise<void> {
  const kept = new Set(folders.map((folder) => `${ALIAS}${folder}`));
  const stray = (await links()).filter(
    ({ ifalias = "" }) => ifalias.startsWith(`${ALIAS}${join(runDir, "/")}`) && !kept.has(ifalias),
  );
  await removeTaps(stray.map(({ ifname }) => ifname));
}

async function links(): Promise<z.infer<typeof Links>> {
  const text = await ip("-json", "link", "show").catch(() => "[]");
  // `ip -json` writes nothing for an empty list.
  return Links.parse(JSON.parse(text.trim() || "[]"));
}

function ip(...args: string[]): Promise<string> {
  return command("ip", ...args);
}

async function command(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(name, args, { timeout: COMMAND_MS });
  return stdout;
}

function messageOf(cause: unknown): string {
  const words: unknown = Object(cause).stderr;
  const text = typeof words === "string" && words !== "" ? words : String(cause);
  return text.trim();
}
