import type { QmpClient } from "../../../qmp/client.ts";
import type { Files, Machine } from "./bed.ts";

type Part = Record<string, string | number | boolean>;

/** Both sides have the file open, as on shared storage: without the lock of one machine's files. */
export function blockdev(node: string, filename: string, more: Part = {}): Part {
  return { driver: "file", "node-name": node, filename, locking: "off", ...more };
}

export const pc = "pc-i440fx-7.2";
export const q35 = "pc-q35-7.2";

export const userNet = ["-netdev", "user,id=net0"] as const;

/** Two data disks, a CD drive with a medium, a network device, USB: what differences are made on. */
export function base(files: Files): Machine & { blockdevs: Part[]; devices: Part[] } {
  return {
    machine: pc,
    extra: userNet,
    blockdevs: [
      blockdev("n1", files("disk-1")),
      blockdev("n2", files("disk-2")),
      blockdev("cd", files("iso-1"), { "read-only": true }),
    ],
    devices: [
      { driver: "virtio-blk-pci", id: "d1", drive: "n1", addr: "0x5" },
      { driver: "virtio-blk-pci", id: "d2", drive: "n2", addr: "0x6" },
      { driver: "ide-cd", id: "cd0", drive: "cd", bus: "ide.1" },
      { driver: "virtio-net-pci", id: "nic0", netdev: "net0", addr: "0x7" },
      { driver: "virtio-scsi-pci", id: "scsi0", addr: "0x8" },
      { driver: "qemu-xhci", id: "xhci", addr: "0x9" },
      { driver: "usb-tablet", id: "tablet", bus: "xhci.0", port: "1" },
    ],
  };
}

/** The same with one device changed; `undefined` removes a property. */
export function changed(machine: Machine, id: string, change: Record<string, unknown>): Machine {
  const devices = (machine.devices ?? []).map((device) =>
    device.id === id
      ? (Object.fromEntries(
          Object.entries({ ...device, ...change }).filter(([, value]) => value !== undefined),
        ) as Part)
      : device,
  );
  return { ...machine, devices };
}

export function without(machine: Machine, id: string): Machine {
  return { ...machine, devices: (machine.devices ?? []).filter((device) => device.id !== id) };
}

/** The same with one block node changed. */
export function renode(machine: Machine, node: string, change: Part): Machine {
  const blockdevs = (machine.blockdevs ?? []).map((one) =>
    one["node-name"] === node ? { ...one, ...change } : one,
  );
  return { ...machine, blockdevs };
}

export function plus(machine: Machine, ...devices: Part[]): Machine {
  return { ...machine, devices: [...(machine.devices ?? []), ...devices] };
}

export function withExtra(machine: Machine, ...extra: string[]): Machine {
  return { ...machine, extra: [...(machine.extra ?? []), ...extra] };
}

/** Runs a block job to its end. */
export async function job(
  qmp: QmpClient,
  command: string,
  args: Record<string, unknown>,
): Promise<void> {
  const id = "test-job";
  const ended = qmp.waitFor((event) => isEnd(event, id), { timeoutMs: 20_000 });
  const ready = qmp.waitFor((event) => event.name === "BLOCK_JOB_READY", { timeoutMs: 20_000 });
  for (const wait of [ended, ready]) wait.catch(() => undefined);
  await qmp.executeAny(command, { ...args, "job-id": id });
  await Promise.race([ready, ended]);
  await qmp.executeAny("block-job-complete", { device: id });
  await ended;
}

function isEnd(event: { name: string; data: unknown }, id: string): boolean {
  const { device } = event.data as { device?: unknown };
  return event.name === "BLOCK_JOB_COMPLETED" && device === id;
}

/** A snapshot as backup tools take it: the guest goes on in a new image above the old one. */
export async function snapshot(qmp: QmpClient, files: Files, node: string): Promise<void> {
  await qmp.executeAny("blockdev-snapshot-sync", {
    "node-name": node,
    "snapshot-file": files("overlay"),
    "snapshot-node-name": "overlay",
    format: "qcow2",
  });
}
