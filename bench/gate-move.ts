import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "../rig/fleet.ts";
import { readCounter } from "../rig/guest/serial.ts";
import { waitUntil } from "../rig/wait-until.ts";
import { cpuMs } from "./process-usage.ts";

export type Move = {
  /** QEMU's own figure. */
  downtimeMs: number;
  /** From STOP on the source to RESUME on the target, by QEMU's time stamps. */
  blackoutMs: number;
  /** Sent while the guest was stopped, as QEMU counts it; 0 where QEMU does not report it. */
  downtimeBytes: number;
};

export type HeldMove = Move & {
  /** From the gate's opening in QEMU, as the agent reports it, to STOP. */
  openedToStopMs: number;
  /** From the switchover request (sent, and answered) to STOP. */
  sentToStopMs: number;
  answeredToStopMs: number;
  /** Ticks of the guest's counter (10 ms each) while it was held, per second. */
  ticksPerSecond: number;
  /** Of one core, in percent, while it was held. */
  qemuCpuPercent: number;
  agentCpuPercent: number;
  /** Passes over RAM per second while it was held. */
  passesPerSecond: number;
  /** Sent per second while it was held. */
  sentBytesPerSecond: number;
};

type Ends = { vm: string; source: string; target: string };

/** @throws Error when the move does not complete, or the guest's memory is not whole. */
export async function plainMove(fleet: Fleet, ends: Ends): Promise<Move> {
  const { id } = await fleet.api.createMigration({ vm: ends.vm, target: ends.target });
  return finish(fleet, ends, id);
}

/** Permits the switchover `holdMs` after the record says that the source holds. */
export async function gatedMove(fleet: Fleet, ends: Ends, holdMs: number): Promise<HeldMove> {
  const id = await holdMove(fleet, ends);
  const before = await sample(fleet, ends, id);
  await sleep(holdMs);
  const after = await sample(fleet, ends, id);
  const sentAtMs = Date.now();
  await fleet.api.permitSwitchover(id);
  const answeredAtMs = Date.now();
  const move = await finish(fleet, ends, id);
  const { stoppedAtMs = Number.NaN, gate } = await fleet.api.getMigration(id);
  const seconds = (after.atMs - before.atMs) / 1000;
  const rate = (what: "counter" | "passes" | "qemuCpuMs" | "agentCpuMs" | "sentBytes") =>
    (after[what] - before[what]) / seconds;
  return {
    ...move,
    openedToStopMs: stoppedAtMs - (gate?.openedAtMs ?? Number.NaN),
    sentToStopMs: stoppedAtMs - sentAtMs,
    answeredToStopMs: stoppedAtMs - answeredAtMs,
    ticksPerSecond: rate("counter"),
    qemuCpuPercent: rate("qemuCpuMs") / 10,
    agentCpuPercent: rate("agentCpuMs") / 10,
    passesPerSecond: rate("passes"),
    sentBytesPerSecond: rate("sentBytes"),
  };
}

/** Starts a gated move and waits until it holds; the guest keeps running. */
export async function holdMove(fleet: Fleet, { vm, target }: Ends): Promise<string> {
  const policy = { switchover: { mode: "gated" as const } };
  const { id } = await fleet.api.createMigration({ vm, target, policy });
  await waitUntil(
    `${id} to hold`,
    async () => {
      const { gate, failure } = await fleet.api.getMigration(id);
      if (failure) throw new Error(`The move failed: ${JSON.stringify(failure)}`);
      return gate?.heldAtMs;
    },
    { timeoutMs: 60_000, everyMs: 100 },
  );
  return id;
}

async function finish(fleet: Fleet, { vm, source, target }: Ends, id: string): Promise<Move> {
  // All times are the record's own: seldom polling disturbs it less and costs no precision.
  const migration = await fleet.waitForMigration(id, { everyMs: 500 });
  const { figures, stoppedAtMs, targetRunningAtMs } = migration;
  if (!figures || stoppedAtMs === undefined || targetRunningAtMs === undefined) {
    throw new Error(`The move ended ${migration.status}: ${JSON.stringify(migration.failure)}`);
  }
  await waitUntil("the end of the source's process", () =>
    fleet.guestPid(source, vm) === undefined ? true : undefined,
  );
  const reading = await waitUntil("the guest to count on the target", () =>
    readCounter(fleet.serialLog(target, vm)),
  );
  if (reading.errors > 0)
    throw new Error(`The guest found changed memory: ${JSON.stringify(reading)}`);
  return {
    downtimeMs: figures.downtimeMs,
    blackoutMs: targetRunningAtMs - stoppedAtMs,
    downtimeBytes: figures.downtimeBytes ?? 0,
  };
}

async function sample(fleet: Fleet, { vm, source }: Ends, id: string) {
  const [reading, { progress, stoppedAtMs }] = await Promise.all([
    readCounter(fleet.serialLog(source, vm)),
    fleet.api.getMigration(id),
  ]);
  if (stoppedAtMs !== undefined) throw new Error("Expected the guest to run while it is held");
  return {
    atMs: performance.now(),
    counter: reading?.counter ?? Number.NaN,
    passes: progress?.dirtySyncCount ?? 0,
    sentBytes: progress?.ramTransferredBytes ?? 0,
    qemuCpuMs: cpuMs(fleet.guestPid(source, vm)),
    agentCpuMs: cpuMs(fleet.agent(source).pid),
  };
}
