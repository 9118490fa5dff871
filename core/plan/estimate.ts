import type { PlanOptions } from "./options.ts";
import { type MoveFacts, type Prediction, predict } from "./predict.ts";
import type { PlanVm } from "./snapshot.ts";

/** What one migration is expected to take at a given rate. */
export type MoveEstimate = Prediction & {
  readonly bytesPerSecond: number;
  readonly prepareMs: number;
  /** Slots are held for so long: the transfer, loading the devices, and what follows. */
  readonly slotMs: number;
};

type Assumptions = Pick<
  PlanOptions,
  | "unknownDirtyBytesPerSecond"
  | "unknownWorkingSetShare"
  | "unknownDiskBytes"
  | "prepareMs"
  | "finishMs"
>;

/** By which factor the true bytes and dirty rate may differ from the expected ones. */
export const KNOWN_SPREAD = 2;
/** The same for a VM that has never moved. */
export const UNKNOWN_SPREAD = 4;

export function isLearned({ learned }: PlanVm): boolean {
  return learned.dirtyBytesPerSecond !== undefined;
}

/** Disks that move with it and whose size nobody knows. */
export function unknownDisks({ storage = {}, diskSizes = {} }: PlanVm): string[] {
  return Object.keys(storage).filter((disk) => diskSizes[disk] === undefined);
}

function diskBytes(vm: PlanVm, { unknownDiskBytes }: Pick<PlanOptions, "unknownDiskBytes">) {
  return Object.keys(vm.storage ?? {}).reduce(
    (sum, disk) => sum + (vm.diskSizes?.[disk] ?? unknownDiskBytes),
    0,
  );
}

/** The facts of a VM's next migration, from what was learned or else assumed. */
export function moveFacts(
  vm: PlanVm,
  assumed: Assumptions,
  pair: { streamBytesPerSecond: number; downtimeLimitMs: number },
): MoveFacts {
  const { learned, memoryBytes } = vm;
  const share = Math.round(memoryBytes * assumed.unknownWorkingSetShare);
  return {
    memoryBytes: Math.min(memoryBytes, learned.firstPassBytes ?? memoryBytes),
    diskBytes: diskBytes(vm, assumed),
    dirtyBytesPerSecond: learned.dirtyBytesPerSecond ?? assumed.unknownDirtyBytesPerSecond,
    workingSetBytes: Math.min(memoryBytes, learned.workingSetBytes ?? share),
    loadMs: learned.loadMs ?? 0,
    ...pair,
  };
}

/** @param factor multiplies all that may differ from what is expected; 1 by default */
export function estimateMove(
  vm: PlanVm,
  assumed: Assumptions,
  pair: { streamBytesPerSecond: number; downtimeLimitMs: number },
  factor = 1,
): MoveEstimate {
  const facts = moveFacts(vm, assumed, pair);
  const upTo = (bytes: number) => Math.min(vm.memoryBytes, bytes * factor);
  const prediction = predict({
    ...facts,
    memoryBytes: upTo(facts.memoryBytes),
    dirtyBytesPerSecond: facts.dirtyBytesPerSecond * factor,
    workingSetBytes: upTo(facts.workingSetBytes),
  });
  return {
    ...prediction,
    bytesPerSecond: pair.streamBytesPerSecond,
    prepareMs: vm.learned.prepareMs ?? assumed.prepareMs,
    slotMs: prediction.transferMs + facts.loadMs + assumed.finishMs,
  };
}
