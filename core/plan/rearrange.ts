import type { PlaceContext } from "./place-context.ts";
import type { Item } from "./placement-item.ts";

/** Of a quick placement. */
const QUICK_STEPS_MAX = 200;
/** Bounds on the search: the same for each run, so that the result is. */
const STEPS_MAX = 30_000;
const STEPS_PER_ITEM_MAX = 4_000;
const DEPTH_MAX = 3;
/** All placements are tried of so many items at most, and so many tries. */
const TRY_ALL_ITEMS_MAX = 40;
const TRIES_MAX = 60_000;

/** A placement in the making: the occupancy and the loads of its context follow it. */
export class Rearranger {
  readonly context: PlaceContext;
  readonly hosts = new Map<Item, number>();
  readonly #items: readonly Item[];
  readonly #on = new Map<number, Set<Item>>();
  #steps = 0;

  constructor(items: readonly Item[], context: PlaceContext) {
    this.#items = items;
    this.context = context;
  }

  get isComplete(): boolean {
    return this.hosts.size === this.#items.length;
  }

  fits(item: Item, host: number): boolean {
    const { occupancy, isGoing } = this.context;
    const [first, ...others] = item.guests;
    if (first === undefined || occupancy.room(host) < item.bytes) return false;
    if (others.length === 0) return occupancy.fits(first, host, isGoing);
    const done = [];
    let isFitting = true;
    for (const guest of item.guests) {
      isFitting = occupancy.fits(guest, host, isGoing);
      if (!isFitting) break;
      occupancy.put(guest.vm, host);
      done.push(guest);
    }
    for (const guest of done) occupancy.take(guest.vm, host);
    return isFitting;
  }

  put(item: Item, host: number): void {
    const { occupancy, loads } = this.context;
    for (const { vm } of item.guests) occupancy.put(vm, host);
    loads[host] = (loads[host] ?? 0) + item.slotMs;
    this.hosts.set(item, host);
    this.#on.set(host, (this.#on.get(host) ?? new Set()).add(item));
  }

  take(item: Item): void {
    const host = this.hosts.get(item);
    if (host === undefined) return;
    const { occupancy, loads } = this.context;
    for (const { vm } of item.guests) occupancy.take(vm, host);
    loads[host] = (loads[host] ?? 0) - item.slotMs;
    this.hosts.delete(item);
    this.#on.get(host)?.delete(item);
  }

  undo(): void {
    for (const item of [...this.hosts.keys()]) this.take(item);
  }

  /** Makes room for what has no host yet by moving what has one. */
  placeTheRest(): void {
    const rest = this.#items.filter((item) => !this.hosts.has(item));
    const max = this.context.isQuick ? QUICK_STEPS_MAX : STEPS_MAX;
    for (const item of rest.toSorted((one, other) => other.bytes - one.bytes)) {
      if (this.#steps > max) return;
      const limit = Math.min(max, this.#steps + STEPS_PER_ITEM_MAX);
      this.#makeRoom(item, DEPTH_MAX, new Set(), limit);
    }
  }

  #makeRoom(item: Item, depth: number, banned: Set<number>, limit: number): boolean {
    const free = item.candidates.filter((host) => !banned.has(host) && this.fits(item, host));
    const tightest = leastOf(free, (host) => this.context.occupancy.room(host));
    if (tightest !== undefined) {
      this.put(item, tightest);
      return true;
    }
    if (depth === 0) return false;
    for (const host of item.candidates) {
      if (banned.has(host)) continue;
      const movable = [...(this.#on.get(host) ?? [])].toSorted((a, b) => a.bytes - b.bytes);
      for (const other of movable) {
        this.#steps += 1;
        if (this.#steps > limit) return false;
        this.take(other);
        if (this.fits(item, host)) {
          this.put(item, host);
          if (this.#makeRoom(other, depth - 1, new Set([...banned, host]), limit)) return true;
          this.take(item);
        }
        this.put(other, host);
      }
    }
    return false;
  }

  /**
   * Tries all placements, the item with the fewest hosts next.
   *
   * @returns whether there is one that is accepted; the placement is it then, and empty otherwise
   */
  tryAll(accept: () => boolean): boolean {
    if (this.#items.length > TRY_ALL_ITEMS_MAX) return false;
    const { occupancy } = this.context;
    const hosts = new Set(this.#items.flatMap(({ candidates }) => candidates));
    const room = [...hosts].reduce((sum, host) => sum + Math.max(0, occupancy.room(host)), 0);
    if (this.#items.reduce((sum, { bytes }) => sum + bytes, 0) > room) return false;
    this.#steps = 0;
    return this.#tryRest(new Set(this.#items), accept);
  }

  #tryRest(rest: Set<Item>, accept: () => boolean): boolean {
    let next: { item: Item; hosts: number[] } | undefined;
    for (const item of rest) {
      const hosts = item.candidates.filter((host) => this.fits(item, host));
      const isFewer = next === undefined || hosts.length < next.hosts.length;
      const isEqual = next !== undefined && hosts.length === next.hosts.length;
      if (isFewer || (isEqual && item.bytes > (next?.item.bytes ?? 0))) next = { item, hosts };
      if (hosts.length === 0) return false;
    }
    if (next === undefined) return accept();
    const { item, hosts } = next;
    rest.delete(item);
    const { loads } = this.context;
    for (const host of hosts.toSorted((a, b) => (loads[a] ?? 0) - (loads[b] ?? 0) || a - b)) {
      this.#steps += 1;
      if (this.#steps > TRIES_MAX) break;
      this.put(item, host);
      if (this.#tryRest(rest, accept)) return true;
      this.take(item);
    }
    rest.add(item);
    return false;
  }
}

function leastOf(hosts: readonly number[], value: (host: number) => number): number | undefined {
  let least: number | undefined;
  for (const host of hosts) {
    if (least === undefined || value(host) < value(least)) least = host;
  }
  return least;
}
