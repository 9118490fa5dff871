import type { VfioKnobs } from "../emulators/qemu/knobs.ts";
import { createVirtualPair } from "../emulators/qemu/virtual-pair.ts";

/** A guest with VFIO devices, and how it is moved. */
export type Scenario = {
  readonly name: string;
  readonly devices: number;
  /** State that each device saves after the guest stopped. */
  readonly stateBytes: number;
  readonly ack: boolean;
  readonly tls: boolean;
  /** Device state over this many of 15 multifd channels; 0 = over the main channel. */
  readonly dedicatedChannels: number;
};

/** What is fitted: two numbers for a class of devices. */
export type DeviceConstants = {
  /** Reading state out of a device, and writing it into one. */
  readonly stateBytesPerSecond: number;
  /** The other number; `LoadKind` says which load it is. */
  readonly loadMs: number;
};

/** The load that `loadMs` is the time of: of the initial state, or of the final one. */
export type LoadKind = "initial" | "final";

/** Not fitted: the machines of the published tables, and a core's AES-GCM. */
export const assumptions = {
  linkBytesPerSecond: 12.5e9,
  tlsBytesPerSecond: 2e9,
  memoryMiB: 1024,
  multifdChannels: 15,
} as const;

const LIMIT_MS = 120_000;

/** The downtime of a whole migration of the model, on a virtual clock. */
export function measureDowntimeMs(
  scenario: Scenario,
  constants: DeviceConstants,
  kind: LoadKind,
): number {
  const { devices, ack, tls, dedicatedChannels } = scenario;
  const pair = createVirtualPair({
    knobs: {
      version: "10.0.2",
      linkBytesPerSecond: assumptions.linkBytesPerSecond,
      tlsBytesPerSecond: assumptions.tlsBytesPerSecond,
      deviceStateChannels: dedicatedChannels,
      // Passes with nothing to send change nothing: fewer of them make the run fast.
      passesPerSecond: 1000,
      vfio: { "*": deviceKnobs(scenario, constants, kind) },
    },
    arguments: [
      "-machine",
      "pc-q35-10.0",
      "-m",
      String(assumptions.memoryMiB),
      ...Array.from({ length: devices }, (_, index) => [
        "-device",
        `vfio-pci,host=0000:01:00.${index},id=vf${index},enable-migration=on`,
      ]).flat(),
    ],
  });
  if (tls) {
    const credentials = { "qom-type": "tls-creds-psk", id: "tls0", dir: "/credentials" };
    pair.source.execute("object-add", { ...credentials, endpoint: "client" });
    pair.target.execute("object-add", { ...credentials, endpoint: "server" });
  }
  const capabilities = [
    "events",
    "return-path",
    ...(ack ? ["switchover-ack"] : []),
    ...(dedicatedChannels > 0 ? ["multifd"] : []),
  ];
  const both = {
    "multifd-channels": assumptions.multifdChannels,
    ...(tls ? { "tls-creds": "tls0" } : {}),
  };
  pair.start({
    source: capabilities,
    target: capabilities,
    parameters: {
      ...both,
      "max-bandwidth": 0,
      "avail-switchover-bandwidth": assumptions.linkBytesPerSecond,
      "downtime-limit": 300,
    },
    targetParameters: both,
  });
  const status = pair.finish(LIMIT_MS);
  if (status !== "completed")
    throw new Error(`Expected ${scenario.name} to complete, got ${status}`);
  return (pair.source.execute("query-migrate") as { downtime: number }).downtime;
}

/**
 * The two constants with which the model gives two published downtimes. `loadMs` is what
 * `loadRow` fixes once the rate is known, and the rate is what `rateRow` fixes.
 */
export function fitConstants(
  rows: { readonly rateRow: Published; readonly loadRow: Published },
  kind: LoadKind,
): DeviceConstants {
  const fitLoad = (stateBytesPerSecond: number): DeviceConstants => ({
    stateBytesPerSecond,
    loadMs: bisect(0, 4000, (loadMs) => {
      const measuredMs = measureDowntimeMs(rows.loadRow, { stateBytesPerSecond, loadMs }, kind);
      return measuredMs >= rows.loadRow.publishedMs;
    }),
  });
  const secondsPerGigabyte = bisect(0.01, 20, (slowness) => {
    const constants = fitLoad(1e9 / slowness);
    return measureDowntimeMs(rows.rateRow, constants, kind) >= rows.rateRow.publishedMs;
  });
  return fitLoad(1e9 / secondsPerGigabyte);
}

export type Published = Scenario & {
  readonly publishedMs: number;
};

/** The least number for which `isEnough`, which is monotone, holds: to one part in 4000. */
function bisect(low: number, high: number, isEnough: (value: number) => boolean): number {
  let from = low;
  let to = high;
  for (let step = 0; step < 12; step++) {
    const middle = (from + to) / 2;
    if (isEnough(middle)) to = middle;
    else from = middle;
  }
  return (from + to) / 2;
}

function deviceKnobs(
  { stateBytes }: Scenario,
  { stateBytesPerSecond, loadMs }: DeviceConstants,
  kind: LoadKind,
): Partial<VfioKnobs> {
  return {
    initialBytes: 1 << 20,
    stateBytes,
    saveBytesPerSecond: stateBytesPerSecond,
    loadBytesPerSecond: stateBytesPerSecond,
    ...(kind === "initial" ? { loadInitialMs: loadMs } : { loadFinalMs: loadMs }),
  };
}
