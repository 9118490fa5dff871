/** A pending call. */
export type Timer = {
  cancel(): void;
};

/**
 * Time as the model sees it. All of the model's waiting goes through it, so that a run on a
 * virtual clock is exact, repeatable and takes no real time.
 */
export type Clock = {
  /** Monotonic milliseconds with a fraction. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch with a fraction: the time stamps of QMP events. */
  epochMs(): number;
  /** Calls `run` once, `delayMs` (>= 0) from now. */
  after(delayMs: number, run: () => void): Timer;
};

/** A clock whose time moves only by its methods. */
export type VirtualClock = Clock & {
  /** Runs everything due in the next `durationMs`, in order of time. */
  advance(durationMs: number): void;
  /**
   * Runs what is due until `condition` holds. False when `limitMs` of virtual time passed first.
   */
  runUntil(condition: () => boolean, limitMs: number): boolean;
  /** Calls that wait to be made. */
  pending(): number;
};

type Entry = {
  readonly dueMs: number;
  readonly order: number;
  run: (() => void) | undefined;
};

/** The machine's own clock. */
export function createRealClock(): Clock {
  return {
    nowMs: () => performance.now(),
    epochMs: () => performance.timeOrigin + performance.now(),
    after(delayMs, run) {
      const dueMs = performance.now() + delayMs;
      // Node's timers know whole milliseconds only, and may fire one early.
      const fire = (): void => {
        const restMs = dueMs - performance.now();
        if (restMs > 0.5) handle = setTimeout(fire, restMs);
        else run();
      };
      let handle = setTimeout(fire, Math.max(0, delayMs));
      return { cancel: () => clearTimeout(handle) };
    },
  };
}

/** Starts at `startEpochMs` (default 2026-01-01T00:00:00Z). */
export function createVirtualClock(startEpochMs = 1767225600000): VirtualClock {
  const heap: Entry[] = [];
  let nowMs = 0;
  let order = 0;
  const runNext = (): void => {
    const entry = pop(heap);
    if (!entry) return;
    nowMs = Math.max(nowMs, entry.dueMs);
    entry.run?.();
  };
  const nextDueMs = (): number => {
    while (heap[0] && !heap[0].run) pop(heap);
    return heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  };
  return {
    nowMs: () => nowMs,
    epochMs: () => startEpochMs + nowMs,
    after(delayMs, run) {
      // A wait that rounding makes too short for a step of time would never end.
      const stepMs = delayMs > 0 ? Math.max(delayMs, 1e-6) : 0;
      const entry: Entry = { dueMs: nowMs + stepMs, order: order++, run };
      push(heap, entry);
      return {
        cancel: () => {
          entry.run = undefined;
        },
      };
    },
    advance(durationMs) {
      const endMs = nowMs + durationMs;
      while (nextDueMs() <= endMs) runNext();
      nowMs = endMs;
    },
    runUntil(condition, limitMs) {
      const endMs = nowMs + limitMs;
      while (!condition()) {
        if (nextDueMs() > endMs) {
          nowMs = endMs;
          return false;
        }
        runNext();
      }
      return true;
    },
    pending: () => heap.filter((entry) => entry.run).length,
  };
}

function before(left: Entry, right: Entry): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
}

function push(heap: Entry[], entry: Entry): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (!parent || before(parent, entry)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): Entry | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (!first || !last || first === last) return first;
  let index = 0;
  for (;;) {
    const childIndex = smallerChild(heap, index);
    const child = heap[childIndex];
    if (!child || before(last, child)) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = last;
  return first;
}

function smallerChild(heap: Entry[], index: number): number {
  const left = heap[2 * index + 1];
  const right = heap[2 * index + 2];
  return left && right && before(right, left) ? 2 * index + 2 : 2 * index + 1;
}
