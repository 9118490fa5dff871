import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLI_VERSION } from "../../../cli/version.ts";
import { VmDefinition } from "../../../core/vm.ts";
import { Fleet } from "../../../rig/fleet.ts";
import { MODEL_QEMU } from "../../../rig/qemu.ts";
import { bundleCli } from "../../../scripts/cli-bundle.ts";

const GIB = 2 ** 30;
const RUN_MS = 60_000;
/** For busy machines. */
export const PATIENCE_MS = 120_000;

export type Ran = { readonly stdout: string; readonly stderr: string; readonly exit: number };

/** A precopy that does not end by itself. */
export const endlessly = {
  parameters: { "max-bandwidth": 100_000 },
  switchoverBandwidthBytesPerSecond: 100_000,
};

/** The bundled command line and a local control plane with three hosts on the model of QEMU. */
export class Plane {
  readonly fleet: Fleet;
  readonly folder: string;
  readonly bundle: string;

  private constructor(fleet: Fleet, folder: string) {
    this.fleet = fleet;
    this.folder = folder;
    this.bundle = join(folder, "switchyard.js");
  }

  /** @param agent more fields of the agents' configuration */
  static async start(agent: object = {}): Promise<Plane> {
    const path = MODEL_QEMU;
    const fleet = await Fleet.start({
      hosts: { "host-a": path, "host-b": path, "host-c": path },
      agent: { progressIntervalMs: 200, memoryBytes: 8 * GIB, ...agent },
      startMs: PATIENCE_MS,
      hasLocalReceivers: true,
    });
    const plane = new Plane(fleet, mkdtempSync(join(tmpdir(), "sy-cli-")));
    try {
      await bundleCli(plane.bundle);
      for (const vm of ["db-1", "web1"]) await fleet.startVm(vm, "host-a", plane.definition());
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  definition(): VmDefinition {
    return VmDefinition.parse({ machine: "pc", memoryBytes: GIB / 8 });
  }

  get environment(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? "",
      HOME: this.folder,
      XDG_CONFIG_HOME: join(this.folder, "config"),
      SWITCHYARD_URL: this.fleet.api.url,
      SWITCHYARD_TOKEN_FILE: join(this.fleet.folder, "cloud/operator-token"),
    };
  }

  /** Runs a command with stdout and stderr in pipes, and nothing to read. */
  async run(words: readonly string[], environment: Record<string, string> = {}): Promise<Ran> {
    return this.#execute(process.execPath, [this.bundle, ...words], environment);
  }

  /** Runs a line of a shell in the same way. */
  async shell(line: string, environment: Record<string, string> = {}): Promise<Ran> {
    return this.#execute("/bin/sh", ["-c", line], environment);
  }

  #execute(file: string, words: string[], environment: Record<string, string>): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        file,
        words,
        { env: { ...this.environment, ...environment }, timeout: RUN_MS, cwd: this.folder },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : error.code;
          if (typeof code === "number") resolve({ stdout, stderr, exit: code });
          else reject(error);
        },
      );
      child.stdin?.end();
    });
  }

  async stop(): Promise<void> {
    await this.fleet.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What differs from run to run has a fixed word; widths of columns follow from it. */
export function normalize(text: string): string {
  return (
    text
      .replaceAll(CLI_VERSION, "VERSION")
      .replace(/mig_[0-9A-Z]{26}/g, "mig_ID")
      .replace(/mig_[0-9A-Z]*…/g, "mig_ID")
      .replace(/\bevac_[0-9A-Z]{26}/g, "evac_ID")
      .replace(/http:\/\/127\.0\.0\.1:\d+/g, "http://127.0.0.1:PORT")
      .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?/g, "TIME")
      .replace(/\d+(\.\d+)? (ms|s|min|h|d)( \d+ (s|min|h))?\b/g, "TIME")
      .replace(/\d+(\.\d+)? (B|KiB|MiB|GiB)\b(\/s)?/g, "SIZE$3")
      .replace(/in \d+ passes/g, "in N passes")
      // Only once a heartbeat was sent, and either way round.
      .replace(/^clock +.*\n/gm, "")
      .replace(/^(key +)[0-9a-f]{16}/gm, "$1KEY")
      .replace(/ {2,}/g, "  ")
      .replace(/[ \t]+$/gm, "")
  );
}
