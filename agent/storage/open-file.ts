import { type BigIntStats, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { realpath, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileSystemName } from "./file-systems.ts";

/** A file of the guest's process, as this agent finds it. */
export type OpenFile = {
  /** `file <device> <inode>`, `device <numbers>`, or `special <device> <inode>`. */
  readonly identity: string;
  readonly fileSystem: string;
  /** Of a block device, e.g. `8:16`. */
  readonly device?: string;
  /** A path by which this agent reaches the file. */
  readonly path: string;
  /** The folder that holds it, unless it is mounted there by itself. */
  readonly folder?: string;
};

/** Where a descriptor of the process leads to, and the descriptor itself. */
type Held = { readonly link: string; readonly path: string };

/** The files that one process has open, seen with that process's mounts. */
export class ProcessFiles {
  readonly #root: string;
  /** Undefined: this agent may not look at them. */
  readonly #held: readonly Held[] | undefined;
  readonly #mounts: ReadonlySet<string>;

  /** What it reads of /proc does not wait for any storage. */
  constructor(pid: number) {
    const root = `/proc/${pid}/root`;
    this.#root = existsSync(root) ? root : "";
    this.#held = heldBy(pid);
    this.#mounts = mountPoints(pid);
  }

  /** @throws Error when the path does not lead to a file that the process has open */
  async find(name: string): Promise<OpenFile> {
    const named = await stat(`${this.#root}${name}`, { bigint: true });
    const held = await this.#heldAs(name, named);
    const path = await this.#realPath(name, held);
    const { type } = await statfs(`${this.#root}${path}`);
    const found = { path: `${this.#root}${path}`, fileSystem: fileSystemName(type) };
    if (named.isBlockDevice()) {
      const device = numbers(named.rdev);
      return { ...found, identity: `device ${device}`, device };
    }
    const kind = named.isFile() ? "file" : "special";
    const identity = `${kind} ${numbers(named.dev)} ${named.ino}`;
    if (kind === "special" || this.#mounts.has(path)) return { ...found, identity };
    return { ...found, identity, folder: `${this.#root}${dirname(path)}` };
  }

  /** @throws Error when the process does not have this file open */
  async #heldAs(name: string, { dev, ino }: BigIntStats): Promise<Held | undefined> {
    if (this.#held === undefined) return undefined;
    const likeliestFirst = this.#held.toSorted(
      (a, b) => Number(b.link === name) - Number(a.link === name),
    );
    for (const held of likeliestFirst) {
      const found = await stat(held.path, { bigint: true }).catch(() => undefined);
      if (found?.dev === dev && found.ino === ino) return held;
    }
    throw new Error("QEMU has another file open than the one of this name");
  }

  /** Without links, in the mounts of the process. */
  async #realPath(name: string, held: Held | undefined): Promise<string> {
    // QEMU has opened it by a name that was removed; this other name leads to it, too.
    const isNamed = held !== undefined && !held.link.endsWith(" (deleted)");
    return isNamed ? held.link : await realpath(name);
  }
}

/** The files that a process has open, without sockets, pipes and the like. */
function heldBy(pid: number): Held[] | undefined {
  const folder = `/proc/${pid}/fd`;
  try {
    const paths = readdirSync(folder).map((number) => join(folder, number));
    const held = paths.map((path) => ({ path, link: linkOf(path) }));
    return held.filter(({ link }) => link.startsWith("/"));
  } catch {
    return undefined;
  }
}

/** Empty when it has been closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** The fifth field of each line of proc_pid_mountinfo(5). */
function mountPoints(pid: number): Set<string> {
  const plain = (field: string) =>
    field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  const lines = readMounts(pid).split("\n");
  return new Set(lines.map((line) => plain(line.split(" ")[4] ?? "")));
}

function readMounts(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, "utf8");
  } catch {
    return "";
  }
}

/** Major and minor number as the kernel prints them (glibc's gnu_dev_major, gnu_dev_minor). */
function numbers(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
