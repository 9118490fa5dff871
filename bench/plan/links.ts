/** One stream over two links. */
export type Stream = {
  readonly source: number;
  readonly target: number;
  /** Highest rate of its own, B/s. */
  readonly cap: number;
  rate: number;
};

export type Capacity = { readonly out: number; readonly in: number };

/** B/s: less than any rate that matters. */
const EPSILON = 1;

/**
 * Shares the links among the streams: max-min fair, as TCP does roughly. All streams grow together;
 * one stops at its own cap or when a link of it is full.
 */
export function share(streams: Iterable<Stream>, capacity: readonly Capacity[]): void {
  const links = new Links(capacity);
  const open = new Set<Stream>();
  for (const stream of streams) {
    links.demand(stream);
    stream.rate = 0;
    open.add(stream);
  }
  // Where the caps together fit the links, each stream has its cap.
  for (const stream of open) {
    if (!links.fitAll(stream)) continue;
    stream.rate = stream.cap;
    open.delete(stream);
    links.use(stream, stream.cap);
    links.close(stream);
  }
  while (open.size > 0) {
    let step = links.step(open);
    for (const { cap, rate } of open) step = Math.min(step, cap - rate);
    for (const stream of open) {
      stream.rate += step;
      links.use(stream, step);
    }
    for (const stream of [...open]) {
      if (!links.isFull(stream) && stream.cap - stream.rate > EPSILON) continue;
      open.delete(stream);
      links.close(stream);
    }
  }
}

/** What is left of each link; of host h the link out is 2h, the link in 2h + 1. */
class Links {
  readonly #left: Float64Array;
  readonly #demand: Float64Array;
  readonly #users: Int32Array;
  readonly #capacity: readonly Capacity[];

  constructor(capacity: readonly Capacity[]) {
    this.#capacity = capacity;
    this.#left = new Float64Array(2 * capacity.length);
    this.#demand = new Float64Array(2 * capacity.length);
    this.#users = new Int32Array(2 * capacity.length);
  }

  demand({ source, target, cap }: Stream): void {
    this.#left[2 * source] = this.#capacity[source]?.out ?? 0;
    this.#left[2 * target + 1] = this.#capacity[target]?.in ?? 0;
    add(this.#demand, 2 * source, cap);
    add(this.#demand, 2 * target + 1, cap);
    add(this.#users, 2 * source, 1);
    add(this.#users, 2 * target + 1, 1);
  }

  fitAll({ source, target }: Stream): boolean {
    const { out = 0 } = this.#capacity[source] ?? {};
    const { in: inward = 0 } = this.#capacity[target] ?? {};
    return at(this.#demand, 2 * source) <= out && at(this.#demand, 2 * target + 1) <= inward;
  }

  use({ source, target }: Stream, rate: number): void {
    add(this.#left, 2 * source, -rate);
    add(this.#left, 2 * target + 1, -rate);
  }

  close({ source, target }: Stream): void {
    add(this.#users, 2 * source, -1);
    add(this.#users, 2 * target + 1, -1);
  }

  /** How far all open streams may grow until the first link is full. */
  step(open: Iterable<Stream>): number {
    let step = Number.POSITIVE_INFINITY;
    for (const { source, target } of open) {
      for (const link of [2 * source, 2 * target + 1]) {
        step = Math.min(step, Math.max(0, at(this.#left, link)) / at(this.#users, link));
      }
    }
    return step;
  }

  isFull({ source, target }: Stream): boolean {
    return at(this.#left, 2 * source) <= EPSILON || at(this.#left, 2 * target + 1) <= EPSILON;
  }
}

function at(list: Float64Array | Int32Array, index: number): number {
  return list[index] ?? 0;
}

function add(list: Float64Array | Int32Array, index: number, value: number): void {
  list[index] = at(list, index) + value;
}
