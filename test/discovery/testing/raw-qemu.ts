import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shellCommands } from "../../../core/import/shell-words.ts";
import { QmpClient } from "../../../qmp/client.ts";
import { findQemu } from "../../../qmp/testing/real-qemu.ts";
import { waitUntil } from "../../../rig/wait-until.ts";
import { onThisMachine, type Sample } from "./samples.ts";

const DISK_BYTES = 2 ** 20;

/** QEMUs that somebody else has started, with their files in one folder. */
export class RawQemus {
  readonly folder = mkdtempSync(join(tmpdir(), "sy-raw-"));
  readonly #children: ChildProcess[] = [];

  constructor() {
    for (const name of ["disk.raw", "cd.iso", "other.iso"]) {
      writeFileSync(join(this.folder, name), Buffer.alloc(DISK_BYTES));
    }
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Starts QEMU with arguments as they are. @returns its pid, when it listens on the monitor */
  async start(argv: readonly string[], monitor: string): Promise<number> {
    const child = spawn(findQemu() ?? "", argv, {
      stdio: ["ignore", "ignore", "pipe"],
      cwd: this.folder,
    });
    this.#children.push(child);
    let output = "";
    child.stderr?.on("data", (data: Buffer) => {
      output += data;
    });
    await waitUntil("the monitor", () => {
      if (child.exitCode !== null) throw new Error(`QEMU ended: ${output}`);
      return existsSync(monitor) ? true : undefined;
    });
    // QEMU listens before it is ready: it greets when it is.
    const qmp = await QmpClient.connect({ path: monitor }).catch((cause: unknown) => {
      throw new Error(`QEMU does not answer: ${output}`, { cause });
    });
    await qmp.close();
    return child.pid ?? 0;
  }

  /** Starts a sample as it can run here. @returns its pid and the path of its monitor */
  async startSample(sample: Sample): Promise<{ pid: number; monitor: string; text: string }> {
    const text = onThisMachine(sample, this.folder);
    const words = shellCommands(text).at(-1) ?? [];
    const at = words.findIndex((word) => /(^|\/)(kvm|qemu-system-x86_64)$/.test(word));
    const argv = words.slice(at + 1);
    const monitor = this.path(
      { shell: "wiki.qmp", proxmox: "100.qmp", libvirt: "monitor.sock" }[sample.name],
    );
    const display = argv.includes("-vnc") ? noVncPort(argv) : argv;
    return { pid: await this.start(display, monitor), monitor, text };
  }

  /** Kills all of them and removes their files. */
  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A TCP port may be in use. */
function noVncPort(argv: readonly string[]): string[] {
  return argv.map((word) => word.replace(/^127\.0\.0\.1:0,.*/, "none"));
}
