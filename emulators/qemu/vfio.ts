import type { Device } from "./device.ts";
import { type Knobs, type VfioKnobs, vfioKnobs } from "./knobs.ts";

/** A VFIO device with its migration state. */
export type VfioDevice = {
  readonly device: Device;
  /** As in traces and blockers: the host's address or the mdev's UUID. */
  readonly name: string;
  /** Its name in the stream. */
  readonly key: string;
  readonly knobs: VfioKnobs;
  readonly source: VfioSource;
  readonly target: VfioTarget;
};

export type VfioSource = {
  initialLeft: number;
  dirtyBytes: number;
  finalLeft: number;
  /** Time up to which dirty bytes are counted. */
  dirtiedMs: number;
  isInitialSentAnnounced: boolean;
  /** New ACK: whether it has asked for one. */
  hasAskedForAck: boolean;
  askAgainMs: number | undefined;
};

export type VfioTarget = {
  isInitialLoaded: boolean;
  isFinalLoaded: boolean;
  hasApproved: boolean;
};

/** The tag that QEMU writes into the stream after the initial bytes. */
export const INIT_DATA_SENT_TAG = "0xffffffffef100005";

const drivers = ["vfio-pci", "vfio-pci-nohotplug"];

export function isVfio(device: Device): boolean {
  return drivers.includes(device.driver);
}

export function createVfioDevice(device: Device, knobs: Knobs, index: number): VfioDevice {
  const host = device.properties.host ?? device.properties.sysfsdev;
  const name = typeof host === "string" ? (host.split("/").at(-1) ?? host) : `vfio${index}`;
  return {
    device,
    name: /^[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(name) ? `0000:${name}` : name,
    key: device.id ?? `vfio${index}`,
    knobs: vfioKnobs(knobs, device.id ?? `vfio${index}`),
    source: {
      initialLeft: 0,
      dirtyBytes: 0,
      finalLeft: 0,
      dirtiedMs: 0,
      isInitialSentAnnounced: false,
      hasAskedForAck: false,
      askAgainMs: undefined,
    },
    target: { isInitialLoaded: false, isFinalLoaded: false, hasApproved: false },
  };
}

/** The start of an outgoing migration. */
export function beginSave(vfio: VfioDevice, nowMs: number): void {
  const { precopy, initialBytes, stateBytes } = vfio.knobs;
  Object.assign(vfio.source, {
    initialLeft: precopy ? initialBytes : 0,
    dirtyBytes: 0,
    finalLeft: precopy ? stateBytes : stateBytes + initialBytes,
    dirtiedMs: nowMs,
    isInitialSentAnnounced: false,
    hasAskedForAck: false,
    askAgainMs: undefined,
  });
}

/** Queries the running device for its precopy data. */
export function queryPrecopy(vfio: VfioDevice, nowMs: number, isRunning: boolean): void {
  const { source, knobs } = vfio;
  if (knobs.precopy && isRunning) {
    source.dirtyBytes += ((nowMs - source.dirtiedMs) / 1000) * knobs.dirtyBytesPerSecond;
  }
  source.dirtiedMs = nowMs;
}

/** Bytes that can be sent while the guest runs. */
export function precopyPending(vfio: VfioDevice): number {
  return vfio.source.initialLeft + Math.floor(vfio.source.dirtyBytes);
}

/** Why the machine cannot migrate because of its VFIO devices. */
export function listVfioBlockers(devices: readonly VfioDevice[], isNew: boolean): string[] {
  const blockers: string[] = [];
  for (const { name, knobs, device } of devices) {
    if (isOff(device)) blockers.push(`${name}: Migration is disabled for VFIO device`);
    else if (!knobs.migratable) {
      blockers.push(
        isNew
          ? `${name}: VFIO migration init failed: Operation not supported`
          : `${name}: VFIO migration is not supported in kernel`,
      );
    }
  }
  if (blockers.length === 0 && devices.length > 1 && devices.some(({ knobs }) => !knobs.p2p)) {
    blockers.push(
      "Multiple VFIO devices migration is supported only if all of them support P2P migration",
    );
  }
  return blockers;
}

function isOff(device: Device): boolean {
  const value = device.properties["enable-migration"];
  return value === "off" || value === false || value === "no";
}
