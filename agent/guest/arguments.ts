import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import type { VmDefinition } from "../../core/vm.ts";

export type GuestPaths = { qmp: string; serial: string; log: string; output: string };

export function guestPaths(folder: string): GuestPaths {
  return {
    qmp: join(folder, "qmp.sock"),
    serial: join(folder, "serial.log"),
    /** QEMU's own log: trace events, from which the switchover ACK is read. */
    log: join(folder, "qemu.log"),
    /** What QEMU writes on stdout and stderr. */
    output: join(folder, "output.log"),
  };
}

/** What a guest that broke out of QEMU must not do; as libvirt has it. */
export const SANDBOX = [
  "-sandbox",
  "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
] as const;

/**
 * QEMU's command line for a guest. `incoming`: a target, paused and waiting (`-S -incoming defer`),
 * so that nothing but an explicit `cont` lets it run.
 */
export function guestArguments(options: {
  vm: VmId;
  definition: VmDefinition;
  paths: GuestPaths;
  incoming: boolean;
  /** QEMU is built with seccomp and may use it here. */
  sandbox: boolean;
}): string[] {
  const { vm, definition, paths, incoming, sandbox } = options;
  const json = (option: string) => (value: object) => [option, JSON.stringify(value)];
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-name", vm],
    ...["-machine", machine(definition), "-accel", definition.accelerator],
    ...(definition.cpuModel === undefined ? [] : ["-cpu", definition.cpuModel]),
    ...["-smp", String(definition.cpus), "-m", `${definition.memoryBytes / 2 ** 20}M`],
    ...(definition.uuid === undefined ? [] : ["-uuid", definition.uuid]),
    ...definition.globals.flatMap((global) => ["-global", global]),
    ...definition.objects.flatMap(json("-object")),
    ...definition.blockdevs.flatMap(json("-blockdev")),
    ...definition.devices.flatMap(json("-device")),
    ...["-serial", `file:${paths.serial}`],
    ...["-qmp", monitorOption(paths.qmp)],
    ...(sandbox ? SANDBOX : []),
    ...["-D", paths.log, "-msg", "timestamp=on"],
    ...(incoming ? ["-S", "-incoming", "defer"] : []),
  ];
}

/** Names one process: no two have the same socket. */
export function monitorOption(qmpPath: string): string {
  return `unix:${qmpPath},server=on,wait=off`;
}

/** QEMU takes no JSON here; the schema keeps commas out of names and values. */
function machine({ machine, machineOptions = {} }: VmDefinition): string {
  const options = Object.entries(machineOptions).map(([name, value]) => {
    const text = typeof value === "string" ? value : value ? "on" : "off";
    return `,${name}=${text}`;
  });
  return [machine, ...options].join("");
}
