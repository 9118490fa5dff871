import type * as z from "zod";
import type { Migration, TimelineEntry } from "../../core/migration/migration.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { DEVICES, SOURCE, TARGET, type VfioFleet } from "./fleet.ts";
import { RigGuest } from "./guest.ts";
import type { MttyKnobs } from "./rig/mdev.ts";

/** Stated, since QEMU cannot measure the link while nothing is left to send. */
const BANDWIDTH_BYTES_PER_SECOND = 1_000_000_000;
const END_MS = 180_000;
const SUCCESSOR_MS = 10_000;

export type MoveOptions = {
  /** What the devices do; `stock`: the kernel's own driver. */
  knobs: MttyKnobs | "stock";
  /** 1 or 2. Default 1. */
  devices?: number;
  policy?: z.input<typeof MigrationPolicy>;
  /** Called as soon as the source waits for the ACK. */
  inGate?: (move: { id: string; guest: RigGuest }) => Promise<void>;
  /** A successor is expected after this migration was given up; the move's figures are its. */
  successor?: true;
  /** Called at the start; runs beside the migration. */
  meanwhile?: (move: { id: string; guest: RigGuest }) => Promise<void>;
};

/** One migration of a fresh guest with fresh devices, and its record and timeline at the end. */
export type Move = Seen & {
  lines: number;
  /** What was given up before, when the migration is a successor. */
  predecessor?: Seen;
};

type Seen = { migration: Migration; timeline: TimelineEntry[] };

let count = 0;

/**
 * Starts a guest, moves it over the API, waits for the end of it, checks where it runs and that
 * nothing of its state is lost, and ends it.
 *
 * @throws Error that names what was not as expected
 */
export async function move(fleet: VfioFleet, options: MoveOptions): Promise<Move> {
  const { devices = 1, knobs, inGate, meanwhile, successor } = options;
  await fleet.renewDevices(knobs);
  count += 1;
  const guest = await RigGuest.start(fleet, `vm${count}`, DEVICES.slice(0, devices));
  try {
    const { id } = await fleet.api.createMigration({
      vm: guest.vm,
      target: TARGET,
      policy: policyOf(options),
    });
    fleet.lastMigration = id;
    const beside = meanwhile?.({ id, guest });
    beside?.catch(() => undefined);
    if (inGate) {
      await waitUntilInGate(fleet, id);
      await inGate({ id, guest });
    }
    const first = await waitForEnd(fleet, id);
    await beside;
    const last = successor ? await waitForEnd(fleet, await successorOf(fleet, id)) : first;
    const host = last.migration.runningOn === TARGET ? TARGET : SOURCE;
    await guest.waitUntilRunning(host);
    const lines = await guest.checkCount(host === TARGET ? TARGET : undefined);
    return { ...last, lines, ...(successor && { predecessor: first }) };
  } finally {
    await guest.end();
  }
}

async function waitForEnd(fleet: VfioFleet, id: string): Promise<Seen> {
  fleet.lastMigration = id;
  const migration = await fleet.cloud.waitForMigration(id, { timeoutMs: END_MS });
  const { items } = await fleet.api.getTimeline(id);
  return { migration, timeline: items };
}

/** The record names it shortly after the end of the first. */
async function successorOf(fleet: VfioFleet, id: string): Promise<string> {
  const named = async () => (await fleet.api.getMigration(id)).successor;
  return await waitUntil(`the successor of ${id}`, named, { timeoutMs: SUCCESSOR_MS });
}

/** The source has converged and waits for the target's ACK. */
export async function waitUntilInGate(fleet: VfioFleet, id: string): Promise<void> {
  await waitUntil(
    `${id} to wait for the ACK`,
    async () => {
      const { phase, status, failure } = await fleet.api.getMigration(id);
      if (status !== "running") throw new Error(`${id} is ${status}: ${failure?.message}`);
      return phase === "await-ack" ? true : undefined;
    },
    { timeoutMs: END_MS, everyMs: 50 },
  );
}

function policyOf({ policy = {} }: MoveOptions): z.input<typeof MigrationPolicy> {
  return { switchoverBandwidthBytesPerSecond: BANDWIDTH_BYTES_PER_SECOND, ...policy };
}
