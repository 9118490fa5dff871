import assert from "node:assert/strict";
import type { Migration } from "../../core/migration/migration.ts";
import type { Move } from "./move.ts";

/** With the ACK the devices load before the downtime: at most this part of it may be left. */
export const RATIO_MAX = 0.1;

/** The move completed with guest and devices whole, and without the way back. */
export function expectCompleted({ migration, timeline }: Move): void {
  assert.equal(migration.status, "completed", migration.failure?.message);
  assert.equal(migration.runningOn, migration.target);
  const wayBack = migration.phases.filter(({ name }) => /^(reconcile|undo|end)$/.test(name));
  assert.deepEqual(wayBack, [], "phases of the way back");
  assert.equal(
    timeline.find(({ type }) => type === "migration.failed"),
    undefined,
  );
  const vfioBytes = migration.figures?.progress.vfioTransferredBytes ?? 0;
  assert.ok(vfioBytes > 0, `Expected VFIO bytes in the record, got ${vfioBytes}`);
}

/** The record states the kind of ACK, the devices that sent it, and that it came before STOP. */
export function expectAcked(move: Move, devices: readonly string[]): void {
  const { ack, agreement, stoppedAtMs = 0 } = move.migration;
  assert.equal(ack?.mode, "legacy", "the ACK mode of QEMU 10.0");
  assert.equal(ack.evidence, "trace");
  assert.deepEqual(agreement?.ackDevices, devices);
  assert.deepEqual(ack.pendingDevices, [], "devices still to acknowledge at the end");
  assert.ok(
    (ack.ackedAtMs ?? Number.POSITIVE_INFINITY) <= stoppedAtMs,
    `Expected the ACK (${ack.ackedAtMs}) before STOP (${stoppedAtMs})`,
  );
}

/** None was agreed on, and none was reported. */
export function expectNoAck({ migration: { ack, agreement }, timeline }: Move): void {
  assert.equal(ack?.mode, "none");
  assert.equal(ack.evidence, undefined);
  assert.equal(ack.ackedAtMs, undefined);
  assert.notEqual(agreement?.source.capabilities["switchover-ack"], true);
  assert.deepEqual(
    timeline.filter(({ type }) => /^migration\.ack/.test(type)),
    [],
    "events about an ACK",
  );
}

/** The ACK was late, and the guest was never stopped. */
export function expectGivenUp({
  status,
  failure,
  runningOn,
  source,
  stoppedAtMs,
}: Migration): void {
  assert.equal(status, "failed");
  assert.equal(failure?.code, "ack-timeout", failure?.message);
  assert.equal(runningOn, source);
  assert.equal(stoppedAtMs, undefined, "the guest was stopped");
}

/** The ACK came no sooner than the target's devices can have loaded their initial state. */
export function expectAckAfter(move: Move, loadMs: number): void {
  const { ack, startedAtMs = Number.NaN } = move.migration;
  const afterMs = (ack?.ackedAtMs ?? Number.NaN) - startedAtMs;
  assert.ok(afterMs >= loadMs, `Expected the ACK after ${loadMs} ms or later, got ${afterMs} ms`);
}

export function downtimeMs({ migration }: Move): number {
  return migration.figures?.downtimeMs ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (upper + lower) / 2;
}
