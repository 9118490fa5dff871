import { type GuestAction, guestActions } from "./catalog/guest-actions.ts";
import type { Fault } from "./faults.ts";
import type { Job } from "./job.ts";

/** How one VFIO device behaves. Bytes and rates are those of its migration data. */
export type VfioKnobs = {
  /** Precopy support: without it everything is saved while the guest is stopped. Default true. */
  precopy: boolean;
  /** Support of the peer-to-peer states. Default true. */
  p2p: boolean;
  /** False: the kernel offers no migration for it, which blocks migration. Default true. */
  migratable: boolean;
  /** Initial bytes, sent first while the guest runs. Default 1 MiB. */
  initialBytes: number;
  /** State saved after the guest stopped. Default 8 MiB. */
  stateBytes: number;
  /** Precopy data that the running device produces, per second. Default 0. */
  dirtyBytesPerSecond: number;
  /** How fast the source reads state out of the device. Default 1.5e9. */
  saveBytesPerSecond: number;
  /** How fast the target writes state into the device. Default 1.5e9. */
  loadBytesPerSecond: number;
  /** Time that the target needs after the initial bytes. Default 0. */
  loadInitialMs: number;
  /** Time that the target needs after the final state; devices do this one by one. Default 0. */
  loadFinalMs: number;
  /** The device asks for another ACK this long after its first (QEMU 11.1); 0 = never. */
  reinitAfterMs: number;
};

/** All settings of a model. README.md explains them. */
export type Knobs = {
  version: string;
  /** The package text of `query-version`. */
  package: string;
  seed: number;
  /** RAM that is not zero; default 1/16 of it, at most 256 MiB. */
  usedBytes: number | undefined;
  /** RAM that the running guest writes to; default 1/4 of the used bytes. */
  workingSetBytes: number | undefined;
  /** Bytes written per second, over the working set at random. Default 4 MiB. */
  dirtyBytesPerSecond: number;
  counterPerSecond: number;
  /** The link, for sending; default 10 Gbit/s. */
  linkBytesPerSecond: number;
  /** Added to every message in each direction. Default 0. */
  linkLatencyMs: number;
  /** Size of one channel's socket buffers; default 4 MiB, with VFIO devices 64 MiB. */
  socketBytes: number | undefined;
  /** Limit of one channel (a TCP stream and its thread). Default: as the link. */
  channelBytesPerSecond: number | undefined;
  /** One thread's encryption, added to its other work. Default 2e9. */
  tlsBytesPerSecond: number;
  /** Speed of scanning zero pages. Default 4e9. */
  scanBytesPerSecond: number;
  /** MIGRATION_PASS events per second when there is nothing to send. Default 10000. */
  passesPerSecond: number;
  /** multifd channels kept for device state alone; 0 = shared with RAM. */
  deviceStateChannels: number;
  /** Probability of `failed` instead of `cancelled`; undefined = as observed for the version. */
  cancelFailsChance: number | undefined;
  /** vCPU features that this host lacks, by name. */
  unavailableFeatures: readonly string[];
  /** By device id; `*` for all. */
  vfio: Readonly<Record<string, Partial<VfioKnobs>>>;
  /** What the guest does by itself once, after so many of its ticks (100 per second) since it booted. */
  act:
    | { readonly action: GuestAction; readonly afterTicks: number; readonly times?: number }
    | undefined;
  /** The guest shuts down on system_powerdown. */
  obeysPowerdown: boolean;
  /** Block jobs that run from the start. */
  jobs: readonly (Pick<Job, "id"> & Partial<Job>)[];
  faults: readonly Fault[];
  /** A unix socket that takes faults while the model runs: one JSON object per line. */
  control: string | undefined;
};

const packages: Readonly<Record<string, string>> = {
  "7.2.22": "Debian 1:7.2+dfsg-7+deb12u18+b3",
  "10.0.2": "Debian 1:10.0.2+ds-2+deb13u1~bpo12+1",
  "11.1.3": "Debian 1:11.1.3+ds-1",
};

export const defaultVfioKnobs: VfioKnobs = {
  precopy: true,
  p2p: true,
  migratable: true,
  initialBytes: 1 << 20,
  stateBytes: 8 << 20,
  dirtyBytesPerSecond: 0,
  saveBytesPerSecond: 1.5e9,
  loadBytesPerSecond: 1.5e9,
  loadInitialMs: 0,
  loadFinalMs: 0,
  reinitAfterMs: 0,
};

/**
 * Adds the defaults to `given`.
 *
 * @throws Error for an unknown name
 */
export function completeKnobs(given: Partial<Knobs>): Knobs {
  const version = given.version ?? "10.0.2";
  const defaults: Knobs = {
    version,
    package: packages[version] ?? "",
    seed: 1,
    usedBytes: undefined,
    workingSetBytes: undefined,
    dirtyBytesPerSecond: 4 << 20,
    counterPerSecond: 10,
    linkBytesPerSecond: 1.25e9,
    linkLatencyMs: 0,
    socketBytes: undefined,
    channelBytesPerSecond: undefined,
    tlsBytesPerSecond: 2e9,
    scanBytesPerSecond: 4e9,
    passesPerSecond: 10000,
    deviceStateChannels: 0,
    cancelFailsChance: undefined,
    unavailableFeatures: [],
    vfio: {},
    act: undefined,
    obeysPowerdown: false,
    jobs: [],
    faults: [],
    control: undefined,
  };
  const unknown = Object.keys(given).find((name) => !(name in defaults));
  if (unknown) throw new Error(`Expected a knob of the model, got \`${unknown}\``);
  const action = given.act?.action;
  if (action !== undefined && !guestActions.includes(action)) {
    throw new Error(`Expected one of ${guestActions.join(", ")}, got \`${action}\``);
  }
  return { ...defaults, ...given };
}

/** The settings for the device `id`. */
export function vfioKnobs(knobs: Knobs, id: string): VfioKnobs {
  return { ...defaultVfioKnobs, ...knobs.vfio["*"], ...knobs.vfio[id] };
}
