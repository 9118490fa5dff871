import { moveFacts } from "../../core/plan/estimate.ts";
import type { Guest } from "../../core/plan/guest.ts";
import type { Move } from "../../core/plan/move.ts";
import type { PlanOptions } from "../../core/plan/options.ts";
import { type MoveFacts, predict } from "../../core/plan/predict.ts";
import { random } from "../../core/plan/random.ts";
import type { PlanVm } from "../../core/plan/snapshot.ts";

/** What a VM's migration really is like; the planner sees the predictions only. */
export type Truth = Omit<MoveFacts, "streamBytesPerSecond" | "downtimeLimitMs"> & {
  readonly prepareMs: number;
};

/**
 * Draws true values around the predicted ones, each by a factor of its own: log-normal with median 1
 * and the given sigma. Bytes never exceed the VM's memory.
 */
export function drawTruth(
  vms: readonly PlanVm[],
  options: PlanOptions,
  { sigma, seed }: { sigma: number; seed: number },
): Map<string, Truth> {
  const draw = random(seed ^ 0x5eed);
  const factor = () => Math.exp(sigma * draw.normal());
  return new Map(
    vms.map((vm) => {
      const facts = moveFacts(vm, options, { streamBytesPerSecond: 1, downtimeLimitMs: 0 });
      const truth = {
        memoryBytes: Math.min(vm.memoryBytes, facts.memoryBytes * factor()),
        diskBytes: facts.diskBytes,
        dirtyBytesPerSecond: facts.dirtyBytesPerSecond * factor(),
        workingSetBytes: Math.min(vm.memoryBytes, facts.workingSetBytes * factor()),
        loadMs: facts.loadMs * factor(),
        prepareMs: (vm.learned.prepareMs ?? options.prepareMs) * factor(),
      };
      return [vm.id, truth];
    }),
  );
}

/** A migration with its true figures in the place of the predicted ones, for the lower bound. */
export function trueMove(move: Move, truth: Truth, options: PlanOptions): Move {
  const { guest } = move;
  const estimate: Guest["estimate"] = (streamBytesPerSecond) => {
    const { downtimeLimitMs } = guest;
    const prediction = predict({ ...truth, streamBytesPerSecond, downtimeLimitMs });
    return {
      ...prediction,
      bytesPerSecond: streamBytesPerSecond,
      prepareMs: truth.prepareMs,
      slotMs: prediction.transferMs + truth.loadMs + options.finishMs,
    };
  };
  const known = new Map<number, Move["estimate"]>();
  const remembered: Guest["estimate"] = (rate) => {
    const found = known.get(rate) ?? estimate(rate);
    known.set(rate, found);
    return found;
  };
  return {
    ...move,
    guest: { ...guest, estimate: remembered },
    estimate: remembered(move.estimate.bytesPerSecond),
  };
}
