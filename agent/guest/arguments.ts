import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import type { VmDefinition } from "../../core/vm.ts";

export type GuestPaths = { qmp: string; serial: string; log: string; output: string };

export function guestPaths(folder: string): GuestPaths {
  return {
    qmp: join(folder, "qmp.sock"),
    serial: join(folder, "serial.log"),
    /** QEMU's own log: trace events, which show the switchover ACK. */
    log: join(folder, "qemu.log"),
    /** What QEMU writes on stdout and stderr. */
    output: join(folder, "output.log"),
  };
}

/** Limits a guest that has taken over its QEMU. The options are those that libvirt uses. */
export const SANDBOX = [
  "-sandbox",
  "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
] as const;

/**
 * QEMU's command line for a guest. `incoming`: a target, paused and waiting (`-S -incoming defer`), so
 * that the guest runs only after an explicit `cont`.
 */
export function guestArguments(options: {
  vm: VmId;
  definition: VmDefinition;
  paths: GuestPaths;
  incoming: boolean;
  /** QEMU has seccomp and may use it on this host. */
  sandbox: boolean;
}): string[] {
  const { vm, definition, paths, incoming, sandbox } = options;
  const json = (name: string) => (value: object) => [name, JSON.stringify(value)];
  return [
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-name",
    vm,
    "-machine",
    machine(definition),
    "-accel",
    definition.accelerator,
    ...option("-cpu", definition.cpuModel),
    "-smp",
    String(definition.cpus),
    "-m",
    `${definition.memoryBytes / 2 ** 20}M`,
    ...option("-uuid", definition.uuid),
    ...definition.globals.flatMap((global) => ["-global", global]),
    ...definition.objects.flatMap(json("-object")),
    ...definition.blockdevs.flatMap(json("-blockdev")),
    ...definition.devices.flatMap(json("-device")),
    "-serial",
    `file:${paths.serial}`,
    "-qmp",
    monitorOption(paths.qmp),
    ...(sandbox ? SANDBOX : []),
    "-D",
    paths.log,
    "-msg",
    "timestamp=on",
    ...(incoming ? ["-S", "-incoming", "defer"] : []),
  ];
}

function option(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value];
}

/** Identifies one process: each has a socket of its own. */
export function monitorOption(qmpPath: string): string {
  return `unix:${qmpPath},server=on,wait=off`;
}

/** `-machine` takes no JSON; the schema of the definition excludes commas in names and values. */
function machine({ machine, machineOptions = {} }: VmDefinition): string {
  const options = Object.entries(machineOptions).map(([name, value]) => {
    const text = typeof value === "string" ? value : value ? "on" : "off";
    return `,${name}=${text}`;
  });
  return [machine, ...options].join("");
}
