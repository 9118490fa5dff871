import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TwinCheck } from "../../core/twin/comparison.ts";
import { Fleet } from "../../rig/fleet.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { fleetIn } from "../network/fleet-in.ts";
import { SharedLoopback } from "../network/loopback.ts";
import type { Network } from "../network/namespaces.ts";
import { Peer } from "./peer.ts";
import type { GuestRig } from "./rig/rig.ts";
import { IMAGES, LAN } from "./shapes.ts";

export const HOSTS = ["host-a", "host-b"] as const;
/** On busy machines agents are slow to start. */
const START_MS = 120_000;
const LOG_LENGTH = 3_000;

export type BedOptions = {
  readonly rig: GuestRig;
  readonly qemu: string;
  readonly print: (line: string) => void;
};

/** A whole installation: control plane, two hosts in network namespaces, a switch and a peer. */
export class Bed {
  readonly rig: GuestRig;
  readonly print: (line: string) => void;
  readonly network: Network;
  /** A folder that both hosts have. */
  readonly storage: string;
  /** Moves whose machines were compared, and differences that were found though there are none. */
  equalMachines = 0;
  falseAlarms = 0;
  readonly #loopback: SharedLoopback;
  readonly #folder: string;
  #fleet: Fleet | undefined;
  #peer: Peer | undefined;

  private constructor({ rig, print }: BedOptions, network: Network) {
    this.rig = rig;
    this.print = print;
    this.network = network;
    this.#folder = ownedFolder();
    this.storage = join(this.#folder, "storage");
    mkdirSync(this.storage);
    this.#loopback = new SharedLoopback(this.#folder);
  }

  /** @throws Error that names what did not start; nothing is left then. */
  static async start(options: BedOptions, network: Network): Promise<Bed> {
    const bed = new Bed(options, network);
    try {
      await bed.#start(options.qemu);
      return bed;
    } catch (error) {
      await bed.stop();
      throw error;
    }
  }

  get fleet(): Fleet {
    if (!this.#fleet) throw new Error("The fleet is not running");
    return this.#fleet;
  }

  get peer(): Peer {
    if (!this.#peer) throw new Error("The peer is not running");
    return this.#peer;
  }

  /** A folder that only this host has. */
  imagesOf(host: string): string {
    return join(this.#folder, `${host}-images`);
  }

  #resourcesOf(host: string) {
    const path = this.imagesOf(host);
    mkdirSync(path);
    return { [LAN]: { type: "tap", bridge: "br0" }, [IMAGES]: { type: "folder", path } };
  }

  addEqual(check: TwinCheck | undefined): void {
    if (check === undefined) return;
    this.equalMachines += 1;
    this.falseAlarms += check.differencesTotal;
  }

  /** The ends of the logs of a guest and its hosts. */
  diagnosis(vm: string): string[] {
    return HOSTS.flatMap((host) =>
      [this.fleet.agentLog(host), this.fleet.serialLog(host, vm)].map(
        (file) => `${file}:\n${tail(file)}`,
      ),
    );
  }

  /** May be called again. */
  async stop(): Promise<void> {
    await this.#fleet?.stop();
    await this.#loopback.close();
    this.#peer?.stop();
    this.network.remove();
    removeFolder(this.#folder);
  }

  async #start(qemu: string): Promise<void> {
    const { agents, ...inNetwork } = await fleetIn(this.network, this.#loopback);
    const hosts = Object.keys(this.network.hosts);
    this.#fleet = await Fleet.start({
      ...inNetwork,
      hosts: Object.fromEntries(hosts.map((host) => [host, qemu])),
      folder: join(this.#folder, "f"),
      startMs: START_MS,
      agents: Object.fromEntries(
        hosts.map((host) => [host, { ...agents?.[host], resources: this.#resourcesOf(host) }]),
      ),
    });
    this.#peer = await Peer.start(this.network);
  }
}

function tail(file: string): string {
  try {
    return readFileSync(file, "utf8").slice(-LOG_LENGTH);
  } catch {
    return "(none)";
  }
}
