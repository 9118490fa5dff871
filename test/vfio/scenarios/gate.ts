import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { waitUntil } from "../../../rig/wait-until.ts";
import { expectAckAfter, expectAcked, expectCompleted } from "../expect.ts";
import { SOURCE, TARGET, type VfioFleet } from "../fleet.ts";
import { move } from "../move.ts";
import type { Scenario } from "../scenario.ts";

const SILENCE_MS = 4_000;
/** The target must have started, and be observed as blocked, within this time. */
const SEEN_MS = 60_000;
/** Long enough that the gate reaches the cloud, and the cancel the source, before the ACK. */
const CANCEL_LOAD_MS = 8_000;
/** Times the start time of an agent: it has restarted before the ACK then. */
const RESTART_LOAD_FACTOR = 3;

export const cancelInGate: Scenario = {
  name: "cancel-in-gate",
  claim: "cancelled while it waits for the ACK, the guest runs on where it was",
  run: async ({ fleet }) => {
    const seen = await move(fleet, {
      knobs: { loadInitMs: CANCEL_LOAD_MS },
      inGate: async ({ id }) => {
        await fleet.api.cancelMigration(id);
      },
    });
    const { status, runningOn, stoppedAtMs } = seen.migration;
    assert.equal(status, "cancelled");
    assert.equal(runningOn, SOURCE);
    assert.equal(stoppedAtMs, undefined, "the guest was stopped");
    return { move: seen };
  },
};

export const restartInGate: Scenario = {
  name: "agent-restart-in-gate",
  claim: "the target's agent is killed while the ACK is awaited, comes back, and the guest moves",
  run: async ({ fleet }) => {
    const seen = await move(fleet, {
      knobs: { loadInitMs: RESTART_LOAD_FACTOR * fleet.agentStartMs },
      inGate: async () => {
        await fleet.killAgent(TARGET);
        await fleet.startAgent(TARGET);
      },
    });
    expectCompleted(seen);
    expectAcked(seen, ["vf0"]);
    return { move: seen };
  },
};

export const targetSilent: Scenario = {
  name: "target-silent",
  claim: "4 s in which the target's QEMU answers nothing at all trip no deadline",
  run: async ({ fleet, print }) => {
    let silentMs = 0;
    const seen = await move(fleet, {
      knobs: { loadInitMs: SILENCE_MS },
      meanwhile: async ({ guest }) => {
        silentMs = await blockedMs(fleet, guest.vm);
      },
    });
    print(`the target's QEMU was seen blocked for ${silentMs} ms`);
    expectCompleted(seen);
    expectAcked(seen, ["vf0"]);
    expectAckAfter(seen, SILENCE_MS);
    assert.ok(
      silentMs >= SILENCE_MS / 4,
      `Expected the target's QEMU to be blocked, saw ${silentMs} ms`,
    );
    return { move: seen, silentMs };
  },
};

/**
 * How long the main thread of the target's QEMU, which answers QMP, is asleep in the kernel while
 * the driver loads the device.
 */
async function blockedMs(fleet: VfioFleet, vm: string): Promise<number> {
  const file = `${fleet.guestFolder(TARGET, vm)}/guest.json`;
  const pid = await waitUntil(
    `the target of ${vm}`,
    async () => {
      const manifest = await fleet.l1.readFile(file).catch(() => undefined);
      return manifest && (JSON.parse(manifest) as { pid: number }).pid;
    },
    { timeoutMs: SEEN_MS },
  );
  // State D, uninterruptible sleep. Short ones are disk accesses. The name cannot contain ") ".
  const isBlocked = async () => /\) D /.test(await fleet.l1.readFile(`/proc/${pid}/stat`));
  const until = performance.now() + SEEN_MS;
  let longestMs = 0;
  while (longestMs < SILENCE_MS / 4 && performance.now() < until) {
    const startedMs = performance.now();
    while (await isBlocked()) {
      longestMs = Math.max(longestMs, Math.round(performance.now() - startedMs));
      await sleep(50);
    }
    await sleep(50);
  }
  return longestMs;
}
