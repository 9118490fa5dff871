import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { expectAckAfter, expectAcked, expectCompleted } from "../expect.ts";
import { SOURCE, TARGET, type VfioFleet } from "../fleet.ts";
import { move } from "../move.ts";
import type { Scenario } from "../scenario.ts";

/** Long enough for an emulated agent to die and come back before the ACK. */
const LONG_LOAD_MS = 20_000;
const SILENCE_MS = 4_000;

export const cancelInGate: Scenario = {
  name: "cancel-in-gate",
  claim: "cancelled while it waits for the ACK, the guest runs on where it was",
  run: async ({ fleet }) => {
    const seen = await move(fleet, {
      knobs: { loadInitMs: SILENCE_MS },
      inGate: async ({ id }) => {
        await fleet.api.cancel(id);
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
      knobs: { loadInitMs: LONG_LOAD_MS },
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
  run: async ({ fleet, say }) => {
    let silentMs = 0;
    const seen = await move(fleet, {
      knobs: { loadInitMs: SILENCE_MS },
      inGate: async ({ guest }) => {
        silentMs = await blockedMs(fleet, guest.vm);
      },
    });
    say(`the target's QEMU was seen blocked for ${silentMs} ms`);
    expectCompleted(seen);
    expectAcked(seen, ["vf0"]);
    expectAckAfter(seen, SILENCE_MS);
    assert.ok(silentMs > 1_000, `Expected the target's QEMU to be blocked, saw ${silentMs} ms`);
    return { move: seen, silentMs };
  },
};

/**
 * How long the main thread of the target's QEMU is seen asleep in the kernel, where it loads the
 * device: the thread that would answer QMP.
 */
async function blockedMs(fleet: VfioFleet, vm: string): Promise<number> {
  const manifest = await fleet.l1.readFile(`${fleet.guestFolder(TARGET, vm)}/guest.json`);
  const { pid } = JSON.parse(manifest) as { pid: number };
  const startedMs = performance.now();
  while (performance.now() - startedMs < 2 * SILENCE_MS) {
    const stat = await fleet.l1.readFile(`/proc/${pid}/stat`);
    // Uninterruptible sleep; the name before it may hold anything but ") ".
    if (!/\) D /.test(stat)) break;
    await sleep(50);
  }
  return Math.round(performance.now() - startedMs);
}
