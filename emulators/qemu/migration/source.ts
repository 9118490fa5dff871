/**
 * The source's migration thread.
 *
 *   setup -> active -> [pre-switchover ->] [device ->] completed
 *   any   -> failed (11.0+: failing -> failed) | cancelling -> cancelled
 *
 * It is a task: it waits on the clock and on the stream, and a broken stream ends it.
 */
import { listBitmaps } from "../block.ts";
import { emit, type Qemu } from "../qemu.ts";
import type { Address } from "../stream/network.ts";
import { sleep, type Task } from "../task.ts";
import { beginSave } from "../vfio.ts";
import { completePrecopy } from "./completion.ts";
import { connectStreams } from "./connecting.ts";
import { endBadly } from "./ending.ts";
import { type Attempt, createAttempt } from "./outgoing-state.ts";
import {
  asksAnew,
  estimatePending,
  exactPending,
  IDLE_BYTES,
  idlePassMs,
  sumPending,
  updateRate,
} from "./pending.ts";
import { runPostcopy } from "./postcopy-source.ts";
import { SLICE_MS, sendRam } from "./ram-source.ts";
import {
  checkStream,
  limitLeftBytes,
  linkBytesPerSecond,
  PERIOD_MS,
  sendNow,
  waitOnStream,
} from "./sending.ts";
import { setStatus } from "./transition.ts";
import { askForAcks, iterateVfio } from "./vfio-source.ts";

const SETUP_MS = 2;
/** A pass that sends no more than this is an idle one, of very many. */
const IDLE_BYTES_MAX = 256 << 10;
const SLICE_BYTES_MAX = 4 << 20;

/** Starts a migration to `address`; errors show in its status. */
export function startMigration(qemu: Qemu, address: Address): void {
  const { outgoing } = qemu;
  const bitmaps = claimBitmaps(qemu);
  const attempt = createAttempt(
    qemu.clock.nowMs(),
    address,
    bitmaps,
    Number(qemu.parameters["downtime-limit"]),
  );
  outgoing.attempt = attempt;
  outgoing.errorDesc = undefined;
  setStatus(qemu, "outgoing", "setup");
  qemu.tasks.spawn(migrate(qemu, attempt), (error) => {
    if (error !== undefined) endBadly(qemu, attempt, error);
  });
}

function* migrate(qemu: Qemu, attempt: Attempt): Task {
  yield* connectStreams(qemu, attempt);
  yield* setUp(qemu, attempt);
  const next = yield* iterate(qemu, attempt);
  if (next === "postcopy") yield* runPostcopy(qemu, attempt);
  else yield* completePrecopy(qemu, attempt);
}

function* setUp(qemu: Qemu, attempt: Attempt): Task {
  const { capabilities, parameters } = qemu;
  sendNow(attempt, {
    type: "configuration",
    machine: qemu.machineType.name,
    uuid: capabilities["validate-uuid"] ? qemu.options.uuid : undefined,
  });
  if (capabilities["return-path"]) sendNow(attempt, { type: "open-return-path" });
  if (capabilities["postcopy-ram"]) sendNow(attempt, { type: "postcopy-advise" });
  qemu.ram.begin();
  for (const vfio of qemu.vfio) {
    beginSave(vfio, qemu.clock.nowMs());
    qemu.trace("vfio_save_setup", `(${vfio.name}) data buffer size 0x100000`);
  }
  sendNow(attempt, {
    type: "setup",
    ramBytes: qemu.ram.totalBytes,
    compression: String(parameters["multifd-compression"]),
    ack: capabilities["switchover-ack"] === true,
  });
  // Devices set up meanwhile; a legacy ACK that needs no device arrives in that time.
  yield* sleep(qemu.clock, SETUP_MS);
  attempt.statistics.syncs = 1;
  attempt.statistics.pendingAtSyncBytes = qemu.ram.pendingBytes();
  if (!asksAnew(qemu) && capabilities.events) emit(qemu, "MIGRATION_PASS", { pass: 1 });
  if (attempt.multifd.length > 0) checkStream(attempt);
  attempt.setupMs = qemu.clock.nowMs() - attempt.startedMs;
  Object.assign(attempt.rate, {
    limitStartMs: qemu.clock.nowMs(),
    measureStartMs: qemu.clock.nowMs(),
  });
  setStatus(qemu, "outgoing", "active");
  checkStream(attempt);
}

/** Sends RAM and device state until little enough is left. */
function* iterate(qemu: Qemu, attempt: Attempt): Task<"completion" | "postcopy"> {
  const isInclusive = asksAnew(qemu);
  for (;;) {
    checkStream(attempt);
    updateRate(qemu, attempt);
    const { thresholdBytes } = attempt.rate;
    const isLow = (bytes: number): boolean =>
      isInclusive ? bytes <= thresholdBytes : bytes < thresholdBytes;
    askForAcks(qemu, attempt);
    let pending = estimatePending(qemu, attempt);
    qemu.trace("migrate_pending_estimate", pendingText(pending));
    const mustLookForRam = isInclusive && qemu.ram.pendingBytes() <= thresholdBytes;
    if (mustLookForRam || isLow(sumPending(pending))) {
      pending = exactPending(qemu, attempt);
      // The guest keeps writing while the log is read.
      if (sumPending(pending) > 0) yield* readLog(qemu, attempt);
      qemu.trace("migrate_pending_exact", pendingText(pending));
    }
    const isFree = canSwitchover(qemu, attempt);
    if ((sumPending(pending) === 0 || isLow(sumPending(pending))) && isFree) {
      qemu.trace("migration_thread_low_pending", `${sumPending(pending)}`);
      return "completion";
    }
    const canPostcopy = qemu.capabilities["postcopy-ram"] && attempt.isPostcopyRequested;
    if (canPostcopy && pending.precopyBytes <= thresholdBytes && isFree) return "postcopy";
    yield* sendSlice(qemu, attempt);
  }
}

/** Reading the dirty log takes as long as a pass with nothing in it. */
function* readLog(qemu: Qemu, attempt: Attempt): Task {
  yield* waitOnStream(attempt, {
    deadlineMs: qemu.clock.nowMs() + 1000 / qemu.knobs.passesPerSecond,
  });
}

/** ACK rules: without the capability, or with the guest stopped, there is nothing to wait for. */
function canSwitchover(qemu: Qemu, attempt: Attempt): boolean {
  if (!qemu.capabilities["switchover-ack"] || !qemu.guest.isRunning) return true;
  return qemu.isAckLegacy ? attempt.isAcked : attempt.ackPending <= 0;
}

function* sendSlice(qemu: Qemu, attempt: Attempt): Task {
  const { rate, statistics } = attempt;
  const leftBytes = limitLeftBytes(qemu, attempt, false);
  if (leftBytes <= 0) {
    rate.lateMs = 0;
    rate.idleSinceMs = undefined;
    yield* waitOnStream(attempt, { deadlineMs: rate.limitStartMs + PERIOD_MS });
    return;
  }
  const linkRate = linkBytesPerSecond(qemu, attempt);
  const sliceBytes = Math.min(leftBytes, (linkRate * SLICE_MS) / 1000, SLICE_BYTES_MAX);
  const beforeBytes = statistics.transferredBytes;
  const sentRam = yield* sendRam(qemu, attempt, sliceBytes);
  const sentVfio = yield* iterateVfio(qemu, attempt, sliceBytes);
  if (sentRam || sentVfio) {
    rate.idleBytes += statistics.transferredBytes - beforeBytes;
    if (rate.idleBytes > IDLE_BYTES_MAX) rate.idleSinceMs = undefined;
    return;
  }
  rate.lateMs = 0;
  rate.idleSinceMs = qemu.clock.nowMs();
  const passMs = idlePassMs(qemu);
  const waitMs = Math.max(2, passMs);
  yield* waitOnStream(attempt, { deadlineMs: qemu.clock.nowMs() + waitMs });
  const bytes = (waitMs / passMs) * IDLE_BYTES;
  statistics.transferredBytes += bytes;
  rate.measureBytes += bytes;
}

/** With the capability every dirty bitmap of a node is part of the migration, and busy for it. */
function claimBitmaps(qemu: Qemu): string[] {
  if (!qemu.capabilities["dirty-bitmaps"]) return [];
  const mapping = qemu.parameters["block-bitmap-mapping"];
  const mapped = Array.isArray(mapping)
    ? new Set(mapping.map((entry: { "node-name": string }) => entry["node-name"]))
    : undefined;
  const claimed = listBitmaps(qemu.block).filter(({ node }) => mapped?.has(node) ?? true);
  for (const { bitmap } of claimed) bitmap.isBusy = true;
  return claimed.map(({ node }) => node);
}

function pendingText({
  precopyBytes,
  postcopyBytes,
}: {
  precopyBytes: number;
  postcopyBytes: number;
}): string {
  return `${precopyBytes + postcopyBytes} (pre = ${precopyBytes} post=${postcopyBytes})`;
}
