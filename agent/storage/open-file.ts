import { readdir, readFile, readlink, realpath, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileSystemName } from "./file-systems.ts";

/** A file of the guest's process, as this agent finds it. */
export type OpenFile = {
  /** `file <device> <inode>`, or `device <numbers>`. */
  readonly identity: string;
  readonly fileSystem: string;
  /** Of a block device, e.g. `8:16`. */
  readonly device?: string;
  /** A path by which this agent reaches the file. */
  readonly path: string;
  /** The folder that holds it, unless it is mounted there by itself. */
  readonly folder?: string;
};

type Held = { readonly link: string; readonly id: string };

/** The files that one process has open, seen with that process's mounts. */
export class ProcessFiles {
  readonly #root: string;
  /** Undefined: this agent may not look at them. */
  readonly #held: readonly Held[] | undefined;
  readonly #mounts: ReadonlySet<string>;

  private constructor(root: string, held: Held[] | undefined, mounts: ReadonlySet<string>) {
    this.#root = root;
    this.#held = held;
    this.#mounts = mounts;
  }

  static async of(pid: number): Promise<ProcessFiles> {
    const root = `/proc/${pid}/root`;
    const isReached = await stat(root).then(
      () => true,
      () => false,
    );
    const [held, mounts] = await Promise.all([heldBy(pid), mountPoints(pid)]);
    return new ProcessFiles(isReached ? root : "", held, mounts);
  }

  /** @throws Error when the path does not lead to a file that the process has open */
  async find(name: string): Promise<OpenFile> {
    const named = await stat(`${this.#root}${name}`, { bigint: true });
    const id = `${named.dev} ${named.ino}`;
    const held = this.#held?.find((one) => one.id === id);
    if (this.#held !== undefined && held === undefined) {
      throw new Error("QEMU has another file open than the one of this name");
    }
    const path = await this.#realPath(name, held);
    const { type } = await statfs(`${this.#root}${path}`);
    const found = { path: `${this.#root}${path}`, fileSystem: fileSystemName(type) };
    if (named.isBlockDevice()) {
      const device = numbers(named.rdev);
      return { ...found, identity: `device ${device}`, device };
    }
    const identity = `file ${numbers(named.dev)} ${named.ino}`;
    if (this.#mounts.has(path)) return { ...found, identity };
    return { ...found, identity, folder: `${this.#root}${dirname(path)}` };
  }

  /** Without links, in the mounts of the process. */
  async #realPath(name: string, held: Held | undefined): Promise<string> {
    // QEMU has opened it by a name that was removed; this other name leads to it, too.
    const isNamed = held !== undefined && !held.link.endsWith(" (deleted)");
    return isNamed ? held.link : await realpath(name);
  }
}

/** The files that a process has open, without sockets, pipes and the like. */
async function heldBy(pid: number): Promise<Held[] | undefined> {
  const folder = `/proc/${pid}/fd`;
  const numbersOfFiles = await readdir(folder).catch(() => undefined);
  if (numbersOfFiles === undefined) return undefined;
  const held = await Promise.all(
    numbersOfFiles.map(async (number) => {
      const path = join(folder, number);
      const link = await readlink(path).catch(() => "");
      if (!link.startsWith("/")) return undefined;
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      return found === undefined ? undefined : { link, id: `${found.dev} ${found.ino}` };
    }),
  );
  return held.filter((one) => one !== undefined);
}

/** The fifth field of each line of proc_pid_mountinfo(5). */
async function mountPoints(pid: number): Promise<Set<string>> {
  const text = await readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => "");
  const plain = (field: string) =>
    field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return new Set(text.split("\n").map((line) => plain(line.split(" ")[4] ?? "")));
}

/** Major and minor number as the kernel prints them (glibc's gnu_dev_major, gnu_dev_minor). */
function numbers(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
