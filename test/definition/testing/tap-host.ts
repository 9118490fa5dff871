import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { readManifests } from "../../../agent/guest/manifest.ts";
import { sendSignal, waitForEnd } from "../../../agent/runtime/process.ts";
import { VmDefinition } from "../../../core/vm.ts";
import { bootDiskDefinition, writeBootDisk } from "../../../rig/guest/boot-disk.ts";
import { waitUntil } from "../../../rig/wait-until.ts";
import { migrationId, Pair, VM } from "../../agent/testing/pair.ts";

/*
 * Run by taps.test.ts in a network namespace of its own, which has a bridge `br0`: moves a guest with
 * a tap between two agents, and prints what interfaces there were at each moment, as JSON.
 */
const MIB = 2 ** 20;
const load = { dirtyBytesPerSecond: MIB, workingSetBytes: 4 * MIB };
/** With a second argument the bridge filters VLANs. */
const [qemu = "", vlans] = process.argv.slice(2);
const vlan = vlans === undefined ? {} : { vlan: 20 };
const seen: Record<string, unknown> = {};
const pair = new Pair(
  { qemu },
  {
    resources: {
      lan: { type: "tap", bridge: "br0", ...vlan, mtu: 1400 },
      gone: { type: "tap", bridge: "br9" },
    },
  },
);

try {
  const disk = join(pair.folder, "boot.img");
  await writeBootDisk(disk, load);
  const boot = bootDiskDefinition(disk);
  const nic = { driver: "virtio-net-pci", id: "nic0", netdev: "net0", mq: true, vectors: 6 };
  const netdev = { type: "tap", id: "net0", ifname: { $host: "lan", type: "tap" }, queues: 2 };
  const definition = VmDefinition.parse({
    memoryBytes: 64 * MIB,
    ...boot,
    netdevs: [netdev],
    devices: [...boot.devices, nic],
  });

  const bad = { ...definition, devices: [...definition.devices, { driver: "no-such-device" }] };
  seen.badStart = await refused(pair.source.run("guest.start", VM, { definition: bad }));
  const elsewhere = { ...definition, netdevs: [{ ...netdev, ifname: { $host: "gone" } }] };
  seen.noBridge = await refused(pair.source.run("guest.start", VM, { definition: elsewhere }));
  seen.afterRefusals = taps();

  pair.definition = (await pair.source.run("guest.start", VM, { definition })).definition;
  await pair.hasRun(pair.source);
  seen.started = await whenUp(1);
  const prepared = await pair.prepare();
  seen.prepared = taps();
  await pair.start({ prepared });
  await pair.hasMoved();
  seen.moved = await whenUp(2);
  await pair.source.run("source.discard", VM, {}, { migrationId });
  seen.discarded = taps();
  seen.vlans = vlans === undefined ? [] : JSON.parse(run("bridge", "-json", "vlan", "show"));

  // The agent does not run when the guest ends.
  pair.target = await pair.target.restart(async () => {
    for (const { manifest } of readManifests(pair.target.config.runDir, () => undefined)) {
      sendSignal(manifest, "SIGKILL");
      await waitForEnd(manifest, 5_000);
    }
    seen.orphaned = taps();
  });
  seen.reattached = taps();
} finally {
  await pair.close();
}
console.log(JSON.stringify(seen));

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8" });
}

function taps() {
  const links = JSON.parse(run("ip", "-json", "link", "show")) as {
    ifname: string;
    flags: string[];
    mtu: number;
    master?: string;
  }[];
  return links
    .filter(({ ifname }) => ifname.startsWith("sy"))
    .map(({ ifname, flags, mtu, master }) => ({ ifname, isUp: flags.includes("UP"), mtu, master }));
}

/** Waits until there are `count` taps, all up: the agent raises them some milliseconds after RESUME. */
function whenUp(count: number) {
  return waitUntil(
    `${count} taps that are up`,
    () => {
      const now = taps();
      return now.length === count && now.every(({ isUp }) => isUp) ? now : undefined;
    },
    { timeoutMs: 10_000 },
  );
}

async function refused(starting: Promise<unknown>): Promise<string> {
  try {
    await starting;
    return "started";
  } catch (error) {
    return String(error);
  }
}
