import { join } from "node:path";
import type { VmId } from "../../core/id.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { keyValue } from "./key-value.ts";
import { machineArguments, optionsOf } from "./machine-arguments.ts";

export type GuestPaths = {
  qmp: string;
  serial: string;
  vnc: string;
  log: string;
  output: string;
};

export function guestPaths(folder: string): GuestPaths {
  return {
    qmp: join(folder, "qmp.sock"),
    serial: join(folder, "serial.log"),
    vnc: join(folder, "vnc.sock"),
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
    ...display(definition, paths),
    "-name",
    vm,
    ...machineArguments(definition),
    ...definition.globals.flatMap((global) => ["-global", global]),
    ...(definition.chardevs ?? []).flatMap((chardev) => ["-chardev", optionsOf(chardev)]),
    ...definition.objects.flatMap(json("-object")),
    ...(definition.netdevs ?? []).flatMap(json("-netdev")),
    ...tpm(definition),
    ...definition.blockdevs.flatMap(json("-blockdev")),
    ...definition.devices.flatMap(json("-device")),
    ...serials(definition, paths),
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

/** Identifies one process: each has a socket of its own. */
export function monitorOption(qmpPath: string): string {
  return `unix:${qmpPath},server=on,wait=off`;
}

function display({ display = { type: "none" } }: VmDefinition, { vnc }: GuestPaths): string[] {
  const none = ["-display", "none"];
  if (display.type === "none") return none;
  return [...none, "-vnc", keyValue({ share: display.share }, `unix:${vnc}`)];
}

function serials({ serials = ["log"] }: VmDefinition, paths: GuestPaths): string[] {
  return serials.flatMap((serial) => [
    "-serial",
    serial === "log" ? `file:${paths.serial}` : `chardev:${serial.chardev}`,
  ]);
}

function tpm({ tpm }: VmDefinition): string[] {
  return tpm === undefined ? [] : ["-tpmdev", keyValue(tpm, "emulator")];
}
