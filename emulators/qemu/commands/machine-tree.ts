import type { Device } from "../device.ts";
import type { Qemu } from "../qemu.ts";
import type { Commands } from "../qmp/command.ts";

/** What QEMU shows of the whole machine at once. */
export const machineTreeCommands: Commands = {
  "query-memdev": {
    arguments: {},
    run: ({ options }) => [{ id: "pc.ram", size: options.memoryBytes, share: false }],
  },
  "x-debug-query-block-graph": {
    arguments: {},
    run: ({ block }) => ({
      nodes: [...block.nodes.keys()].map((name, index) => ({
        id: index + 1,
        name,
        type: "block-driver",
      })),
      edges: [],
    }),
  },
};

/** `info qtree`, `info ramblock` and `info network`; undefined: no such view. */
export function showMachine(qemu: Qemu, what: string | undefined): string | undefined {
  if (what === "qtree") return deviceTree(qemu.devices);
  if (what === "ramblock") return ramBlocks(qemu.options.memoryBytes);
  return what === "network" ? "" : undefined;
}

/** QEMU prints the newest device first, and lines of its own between the properties. */
function deviceTree(devices: readonly Device[]): string {
  const lines = ["bus: main-system-bus", "  type System", '  dev: i440FX-pcihost, id ""'];
  lines.push("    bus: pci.0", "      type PCI");
  const placed = devices.map((device, index) => ({ device, slot: index + 2 }));
  for (const { device, slot } of placed.reverse()) {
    lines.push(`      dev: ${device.driver}, id "${device.id ?? ""}"`);
    lines.push(`        addr = ${slot.toString(16).padStart(2, "0")}.0`);
    for (const [name, value] of Object.entries(device.properties)) {
      const isPlain = typeof value === "number" || typeof value === "boolean";
      lines.push(`        ${name} = ${isPlain ? value : `"${String(value)}"`}`);
    }
    lines.push("        bar 0: mem at 0xffffffffffffffff [0xffe]");
  }
  return `${lines.join("\r\n")}\r\n`;
}

function ramBlocks(bytes: number): string {
  const size = `0x${bytes.toString(16).padStart(16, "0")}`;
  const none = `0x${"0".repeat(16)}`;
  return [
    "              Block Name    PSize              Offset               Used              Total",
    `                  pc.ram    4 KiB  ${none} ${size} ${size}`,
    "",
  ].join("\r\n");
}
