import type { Progress } from "../protocol/event.ts";
import type { MemoryUse } from "../vm-learned.ts";

/** QEMU measures the dirty rate over a second at least: a shorter migration has none. */
const MEASURED_AFTER_MS = 2_000;

/** What was seen of the guest's memory so far. */
export type SeenMemory = {
  readonly firstPassBytes: number | undefined;
  readonly workingSetBytes: number | undefined;
  /** QEMU's dirty rates, one of each pass: their sum and number. */
  readonly rates: { readonly sum: number; readonly count: number };
  /** The newest pass, by QEMU's count of syncs of the dirty bitmap; the first one is 1. */
  readonly pass: number;
  readonly totalTimeMs: number;
};

export const NOTHING_SEEN: SeenMemory = {
  firstPassBytes: undefined,
  workingSetBytes: undefined,
  rates: { sum: 0, count: 0 },
  pass: 0,
  totalTimeMs: 0,
};

/** The first pass begins: it is watched from its beginning on, however short it is. */
export function seeStart(seen: SeenMemory): SeenMemory {
  return { ...seen, pass: Math.max(seen.pass, 1) };
}

/** Takes one answer of query-migrate. Only precopy counts: then the guest writes on the source. */
export function seeMemory(seen: SeenMemory, progress: Progress): SeenMemory {
  const { dirtySyncCount: pass = 0, dirtyBytesPerSecond: rate = 0 } = progress;
  const totalTimeMs = Math.max(seen.totalTimeMs, progress.totalTimeMs ?? 0);
  if (progress.status !== "active" && progress.status !== "completed") return seen;
  if (pass < 2) return { ...seen, pass: Math.max(seen.pass, pass), totalTimeMs };
  const isNew = pass > seen.pass;
  // A pass that was not watched from its beginning on says nothing of the first one.
  const isSecond = isNew && seen.pass === 1;
  const left = progress.status === "active" ? (progress.ramRemainingBytes ?? 0) : 0;
  const { sum, count } = seen.rates;
  return {
    firstPassBytes: isSecond ? progress.ramTransferredBytes : seen.firstPassBytes,
    workingSetBytes:
      progress.status === "active"
        ? Math.max(seen.workingSetBytes ?? 0, left)
        : seen.workingSetBytes,
    rates: isNew && rate > 0 ? { sum: sum + rate, count: count + 1 } : seen.rates,
    pass: Math.max(seen.pass, pass),
    totalTimeMs,
  };
}

/** What a migration has shown; what it was too short to show is absent. */
export function memoryUse(seen: SeenMemory): MemoryUse {
  const { firstPassBytes, workingSetBytes, rates, pass, totalTimeMs } = seen;
  const isMeasured = rates.count > 0 || (pass > 1 && totalTimeMs >= MEASURED_AFTER_MS);
  return {
    ...(isMeasured
      ? { dirtyBytesPerSecond: Math.round(rates.sum / Math.max(1, rates.count)) }
      : {}),
    ...(workingSetBytes === undefined ? {} : { workingSetBytes }),
    ...(firstPassBytes === undefined ? {} : { firstPassBytes }),
  };
}
