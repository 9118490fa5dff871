import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/**
 * QEMU's byte for "others must not write" (QEMU block/file-posix.c, RAW_LOCK_SHARED_BASE and
 * BLK_PERM_WRITE): while another process holds it, QEMU fails to get the "write" lock.
 */
const NO_WRITER_BYTE = 201;

/**
 * perl's Fcntl, since Node has no fcntl locks. The template is x86-64's struct flock. The lock ends
 * with the process, and the process with its standard input.
 */
const HOLD = `use Fcntl qw(F_SETLK F_RDLCK SEEK_SET);
open(my $image, "<", $ARGV[0]) or die "open: $!";
my $lock = pack("s s x4 q q i x4", F_RDLCK, SEEK_SET, $ARGV[1], 1, 0);
fcntl($image, F_SETLK, $lock) or die "fcntl: $!";
$| = 1;
print "held\\n";
<STDIN>;`;

/**
 * A read lock of another process on an image file, as a backup tool or a stale NFS client has one: a
 * QEMU that has the image open for writing goes on, and one that activates it is refused. Needs perl.
 */
export class ImageLock {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @throws Error when the lock cannot be taken */
  static async hold(path: string): Promise<ImageLock> {
    const child = spawn("perl", ["-e", HOLD, path, String(NO_WRITER_BYTE)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let complaint = "";
    child.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk).slice(-2_000);
    });
    const held = await Promise.race([
      once(child.stdout, "data").then(() => true),
      once(child, "close").then(() => false),
    ]);
    if (!held) throw new Error(`Failed to lock ${path}: ${complaint}`);
    return new ImageLock(child);
  }

  /** May be called again. */
  async release(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}
