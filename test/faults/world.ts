import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { writeWatchedQemu } from "../../rig/watched-qemu.ts";
import { installClock } from "./inside/clock.ts";
import {
  clearSwitch,
  INSIDE,
  type Inside,
  type SwitchName,
  writeSwitch,
} from "./inside/switches.ts";

const PRELOAD = pathToFileURL(join(import.meta.dirname, "inside/preload.ts")).href;

/** What all installations of a campaign share: a folder, the speed of time, a compile cache. */
export class World {
  readonly folder = ownedFolder();
  readonly rate: number;
  readonly #sinceMs = Date.now();
  #places = 0;

  /** `rate`: time runs so much faster than the machine's, in this process as well. Default 1. */
  constructor(rate = 1) {
    this.rate = rate;
    if (rate !== 1) installClock({ rate, sinceMs: this.#sinceMs });
  }

  /** Creates the folder of one more installation, and its switches. */
  place(): { folder: string; switches: Switches } {
    this.#places += 1;
    // Short: the length of a socket's path is limited.
    const folder = join(this.folder, String(this.#places));
    const switches = join(this.folder, `${this.#places}-switches`);
    const cache = join(this.folder, "node-cache");
    for (const made of [switches, cache]) mkdirSync(made, { recursive: true });
    const inside: Inside = { switches, rate: this.rate, sinceMs: this.#sinceMs };
    const environment = {
      NODE_OPTIONS: `--import=${PRELOAD}`,
      NODE_COMPILE_CACHE: cache,
      [INSIDE]: JSON.stringify(inside),
    };
    return { folder, switches: new Switches(switches, environment) };
  }

  /** A wrapper of this QEMU that adds a monitor to each guest. */
  watched(qemu: string): string {
    const path = join(this.folder, "qemu");
    writeWatchedQemu(path, qemu);
    return path;
  }

  /** Kills all processes of all installations, and removes the files. May be called again. */
  close(): void {
    removeFolder(this.folder);
  }
}

export class Switches {
  readonly environment: Record<string, string>;
  readonly #folder: string;

  constructor(folder: string, environment: Record<string, string>) {
    this.#folder = folder;
    this.environment = environment;
  }

  set(name: SwitchName, text = ""): void {
    writeSwitch(this.#folder, name, text);
  }

  clear(name: SwitchName): void {
    clearSwitch(this.#folder, name);
  }
}
