import { readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Bytes of an image that QEMU locks (QEMU block/file-posix.c): from the first number on, which
 * permissions a process uses, from the second on, which ones it denies to others.
 */
const USED = { from: 100, to: 163 };
const DENIED = { from: 200, to: 263 };
/** A process that only reads the image, and denies nothing: a QEMU goes on beside it. */
const READER = { from: 100, to: 100 };

type Lock = {
  /** The kernel's line about the lock, without the number that begins it. */
  readonly text: string;
  readonly isWrite: boolean;
  /** Of the process; -1: it is of an open file (fcntl_locking(2), open file description locks). */
  readonly pid: number;
  readonly file: string;
  readonly from: number;
  readonly to: number;
};

/**
 * The locks that other processes of this host have on an image which a QEMU has open for writing, and
 * that its permissions may run into: QEMU 10.0 aborts where a mirror begins or ends meanwhile
 * (docs/internals/qemu-facts.md, "Mirrors to a migration's target"). Locks that other machines have on a
 * network file system are not seen.
 *
 * @param pid of the guest's QEMU
 * @param path the image's, as QEMU has it
 * @returns each lock's owner, for people; empty also where QEMU does not lock the image itself, or
 *   this agent may not look at it
 */
export function foreignLocks(pid: number, path: string, proc = "/proc"): string[] {
  const before = ownLocks(pid, path, proc);
  if (before.length === 0) return [];
  const all = locksIn(read(join(proc, "locks")));
  // QEMU may have changed its own locks between the first two readings.
  const after = ownLocks(pid, path, proc);
  const files = new Set([...before, ...after].map(({ file }) => file));
  const inTheWay = all.filter((lock) => files.has(lock.file) && isInTheWay(lock));
  const foreign = less(inTheWay, [...before, ...less(after, before)]);
  return [...new Set(foreign.map((lock) => ownerOf(lock, pid, proc)))];
}

function isInTheWay(lock: Lock): boolean {
  if (!lock.isWrite && lock.from === READER.from && lock.to === READER.to) return false;
  return [USED, DENIED].some(({ from, to }) => lock.from <= to && lock.to >= from);
}

/** Those that the process's open files of this path have. */
function ownLocks(pid: number, path: string, proc: string): Lock[] {
  const folder = join(proc, String(pid));
  const image = statOf(join(folder, "root", path)) ?? statOf(path);
  if (image === undefined) return [];
  return namesIn(join(folder, "fd")).flatMap((number) => {
    const open = statOf(join(folder, "fd", number));
    if (open?.dev !== image.dev || open.ino !== image.ino) return [];
    return locksIn(read(join(folder, "fdinfo", number)));
  });
}

/** One entry of `taken` takes away one of `locks`. */
function less(locks: readonly Lock[], taken: readonly Lock[]): Lock[] {
  const left = taken.map(({ text }) => text);
  return locks.filter(({ text }) => {
    const index = left.indexOf(text);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}

/** proc_locks(5); proc_pid_fdinfo(5) has the same, after `lock:`. Waits for a lock (`->`) are none. */
function locksIn(text: string): Lock[] {
  return text.split("\n").flatMap((line): Lock[] => {
    const words = line
      .replace(/^lock:\s*/, "")
      .trim()
      .split(/\s+/);
    const [, kind, , mode, pid, file = "", from, to] = words;
    // flock(2) locks are apart from these.
    if (kind !== "POSIX" && kind !== "OFDLCK") return [];
    return [
      {
        text: words.slice(1).join(" "),
        isWrite: mode === "WRITE",
        pid: Number(pid),
        file,
        from: Number(from),
        to: to === "EOF" ? Number.POSITIVE_INFINITY : Number(to),
      },
    ];
  });
}

function ownerOf(lock: Lock, own: number, proc: string): string {
  const pid = lock.pid > 0 ? lock.pid : holderOf(lock, own, proc);
  if (pid === undefined) return "a process that the kernel does not name";
  const name = read(join(proc, String(pid), "comm")).trim();
  return `process ${pid}${name === "" ? "" : ` (${name})`}`;
}

/** The process that has the open file which such a lock belongs to. */
function holderOf({ text }: Lock, own: number, proc: string): number | undefined {
  const pids = namesIn(proc).filter((name) => /^\d+$/.test(name) && name !== String(own));
  const found = pids.find((pid) => {
    const folder = join(proc, pid, "fdinfo");
    return namesIn(folder).some((number) =>
      locksIn(read(join(folder, number))).some((lock) => lock.text === text),
    );
  });
  return found === undefined ? undefined : Number(found);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
