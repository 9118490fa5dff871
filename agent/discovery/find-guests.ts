import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { VmId } from "../../core/id.ts";
import { optionMap } from "../../core/import/option-text.ts";
import {
  FOUND_GUESTS_MAX,
  type FoundGuest,
  type FoundGuests,
  type FoundMonitor,
  type GuestOwner,
} from "../../core/protocol/found-guest.ts";
import { openSockets } from "../runtime/open-sockets.ts";
import { type UnixSocket, unixSockets } from "../runtime/unix-sockets.ts";

const BINARY = /^(qemu-system-[a-z0-9_-]+|qemu-kvm|kvm)$/;
const MONITORS_MAX = 16;
const SOCKET_PATH_BYTES_MAX = 107;

/** Of a guest of this agent. */
export type OwnGuest = { readonly vm: VmId; readonly pid: number };

/** The QEMUs that run on this host, oldest first, with their monitors. */
export function findGuests(own: readonly OwnGuest[]): FoundGuests {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  const found = pids.flatMap((pid) => {
    const vm = own.find((guest) => guest.pid === pid)?.vm;
    return describe(pid, vm) ?? [];
  });
  return { items: found.slice(0, FOUND_GUESTS_MAX), total: found.length };
}

/** The arguments of a process; undefined when it has ended. */
export function argumentsOf(pid: number): string[] | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.slice(0, -1);
  } catch {
    return undefined;
  }
}

/** Undefined for what is no QEMU with a guest. */
function describe(pid: number, vm: VmId | undefined): FoundGuest | undefined {
  const argv = argumentsOf(pid);
  const binary = binaryOf(pid) ?? argv?.[0];
  if (argv === undefined || binary === undefined || !BINARY.test(basename(binary)))
    return undefined;
  // A probe of what the binary can do.
  if (optionOf(argv, "machine") === "none") return undefined;
  const owner = vm === undefined ? ownerOf(argv) : "switchyard";
  const monitors = monitorsOf(pid, argv);
  const name = nameOf(argv);
  return {
    pid,
    owner,
    ...(vm === undefined ? {} : { vm }),
    ...(name === undefined ? {} : { name: name.slice(0, 255) }),
    binary: binary.slice(0, 300),
    uid: uidOf(pid),
    monitors: monitors ?? [],
    ...adviceOf(owner, monitors, vm),
  };
}

function binaryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, "");
  } catch {
    return undefined;
  }
}

function uidOf(pid: number): number {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? 0;
}

function optionOf(argv: readonly string[], option: string): string | undefined {
  const at = argv.findIndex((word) => word.replace(/^--?/, "") === option && word.startsWith("-"));
  return at < 0 ? undefined : argv[at + 1];
}

function nameOf(argv: readonly string[]): string | undefined {
  const text = optionOf(argv, "name");
  return text === undefined ? undefined : optionMap(text, "guest").get("guest");
}

/** By what each manager names in every command line that it makes. */
export function ownerOf(argv: readonly string[]): GuestOwner {
  const text = argv.join("\n");
  if (/\/libvirt\/qemu\/|id=charmonitor\b/.test(text)) return "libvirt";
  if (/\/qemu-server\/|^-id$/m.test(text)) return "proxmox";
  return "shell";
}

/** The QMP monitors on UNIX sockets; undefined when the process belongs to another user. */
export function monitorsOf(pid: number, argv: readonly string[]): FoundMonitor[] | undefined {
  let sockets: UnixSocket[];
  let open: Map<number, string>;
  try {
    sockets = unixSockets(pid);
    open = openSockets(pid);
  } catch {
    return undefined;
  }
  const own = new Set(open.values());
  const listening = sockets.filter((socket) => socket.isListening && own.has(socket.inode));
  const paths = new Set(monitorPaths(argv, listening, open));
  return listening
    .filter(({ path }) => paths.has(path) && Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX)
    .slice(0, MONITORS_MAX)
    .map(({ path }) => ({
      path,
      state: sockets.some((one) => one.path === path && one.isConnected) ? "taken" : "free",
    }));
}

/** Paths of `-qmp unix:…` and of the chardevs of `-mon …,mode=control`, given by path or descriptor. */
function monitorPaths(
  argv: readonly string[],
  listening: readonly UnixSocket[],
  open: ReadonlyMap<number, string>,
): string[] {
  const values = (name: string) =>
    argv.flatMap((word, at) =>
      word === `-${name}` || word === `--${name}` ? [argv[at + 1] ?? ""] : [],
    );
  const direct = [...values("qmp"), ...values("qmp-pretty")].flatMap((text) => {
    const path = optionMap(text, "address").get("address");
    return path?.startsWith("unix:") ? [path.slice("unix:".length)] : [];
  });
  const controls = values("mon").map((text) => optionMap(text, "chardev"));
  const ids = controls
    .filter((options) => options.get("mode") === "control")
    .map((options) => options.get("chardev"));
  const byChardev = values("chardev").flatMap((text) => {
    const options = optionMap(text, "backend");
    if (!ids.includes(options.get("id"))) return [];
    const descriptor = open.get(Number(options.get("fd")));
    const path = listening.find(({ inode }) => inode === descriptor)?.path;
    return options.get("path") ?? path ?? [];
  });
  return [...direct, ...byChardev];
}

/** Whether it can be adopted, and what to do. */
export function adviceOf(
  owner: GuestOwner,
  monitors: readonly FoundMonitor[] | undefined,
  vm?: VmId,
): Pick<FoundGuest, "adoptable" | "advice"> {
  if (vm !== undefined) return { adoptable: false, advice: `It is the VM ${vm} already` };
  if (monitors === undefined) {
    return { adoptable: false, advice: "Another user's process: run the agent as root" };
  }
  if (monitors.some(({ state }) => state === "free")) {
    return { adoptable: true, advice: MANAGER[owner] };
  }
  const found = monitors.length === 0 ? "It has no QMP monitor on a UNIX socket" : TAKEN[owner];
  return { adoptable: false, advice: `${found}. ${WAY[owner]}` };
}

const MANAGER: Readonly<Record<GuestOwner, string>> = {
  switchyard: "Another agent started it: take it over from that one",
  shell: "Whatever started it must not start it again: take it out of scripts and units",
  libvirt: "Before: stop libvirt's daemon and remove the domain's status file and definition",
  proxmox: "Before: take the VM out of HA, and its configuration out of /etc/pve/qemu-server",
};
const TAKEN: Readonly<Record<GuestOwner, string>> = {
  switchyard: "Its agent holds its monitor",
  shell: "Another program holds its only monitor",
  libvirt: "libvirt holds its only monitor",
  proxmox: "Proxmox holds its only monitor",
};
const WAY: Readonly<Record<GuestOwner, string>> = {
  switchyard: "Stop that agent, or move the guest with it",
  shell:
    "End that program, or start the guest anew with a second `-qmp unix:<path>,server=on,wait=off`",
  libvirt:
    "Stop libvirt's daemon (virtqemud or libvirtd): its guests run on, and their monitors are free; docs/operate/bring-in.md has the steps",
  proxmox: "Stop the tool that is connected (`qm monitor`, a backup), then ask again",
};
