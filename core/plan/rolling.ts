import { type AssignInput, type Assignment, isTarget } from "./assignment.ts";
import type { Guest } from "./guest.ts";
import { doneBefore } from "./host-sequence.ts";
import { type Move, moveOf } from "./move.ts";
import { type Placed, place } from "./place.ts";

/** All orders are tried of so many hosts at most, and so many placements. */
const TRY_ORDERS_HOSTS_MAX = 8;
const TRIES_MAX = 400;
/** Hosts that are looked at before guests are moved a second time. */
const FORCED_HOSTS_MAX = 20;

/**
 * Hosts that are emptied one after another and come back. A host's guests go to hosts outside the
 * plan and to those that are back already, so that no VM moves twice. The host with the least memory
 * in use whose guests all fit goes next: free memory never becomes less by that. Where there is no
 * such host, the one with the fewest guests goes to hosts that are still to be emptied, and those
 * guests move a second time.
 */
export class Rolling {
  readonly #input: AssignInput;
  readonly #going: Map<number, readonly Guest[]>;
  readonly #positions = new Map<number, number>();
  readonly #moves: Move[] = [];
  readonly #unplaced: Guest[] = [];
  readonly #keeping: Set<number>;
  readonly #lastMoves = new Map<string, Move>();
  readonly #loads: Float64Array;
  /** Hosts still to be emptied by their guests' memory; undefined: to be sorted again. */
  #loadOrder: number[] | undefined;
  #tries = 0;

  constructor(input: AssignInput) {
    this.#input = input;
    this.#going = new Map(input.going);
    this.#keeping = new Set(input.keeping);
    this.#loads = new Float64Array(input.table.rows.length);
  }

  run(): Assignment {
    while (this.#going.size > 0) {
      this.#tries = 0;
      if (this.#going.size <= TRY_ORDERS_HOSTS_MAX && this.#tryOrders()) break;
      if (!this.#emptyNext()) this.#force();
    }
    const order = [...this.#positions.keys()];
    return {
      order,
      moves: this.#moves,
      unplaced: this.#unplaced,
      keeping: this.#keeping,
      returning: new Set(order.filter((host) => !this.#keeping.has(host))),
    };
  }

  /** Empties all that is left in an order without second moves; changes nothing if it finds none. */
  #tryOrders(): boolean {
    if (this.#going.size === 0) return true;
    for (const host of this.#byLoad()) {
      this.#tries += 1;
      if (this.#tries > TRIES_MAX) return false;
      const undo = this.#tryHost(host, false);
      if (undo === undefined) continue;
      if (this.#tryOrders()) return true;
      undo();
    }
    return false;
  }

  #emptyNext(): boolean {
    const hosts = this.#byLoad();
    if (hosts.some((host) => this.#tryHost(host, true) !== undefined)) return true;
    return hosts
      .slice(0, TRY_ORDERS_HOSTS_MAX)
      .some((host) => this.#tryHost(host, false) !== undefined);
  }

  /** Gives all guests of a host a place; undefined, and nothing is changed, if there is none. */
  #tryHost(host: number, isQuick: boolean): (() => void) | undefined {
    const before = Float64Array.from(this.#loads);
    const placed = this.#place(this.#guestsOf(host), isQuick, () => false);
    if (placed.unplaced.length === 0) return this.#commit(host, placed, before);
    this.#unplace(placed);
    this.#loads.set(before);
    return undefined;
  }

  /** Moves guests to hosts that are still to be emptied; or leaves some of them where they are. */
  #force(): void {
    const hosts = this.#byCount();
    for (const host of hosts.slice(0, FORCED_HOSTS_MAX)) {
      const before = Float64Array.from(this.#loads);
      const first = this.#place(this.#guestsOf(host), false, () => false);
      const second = this.#place(first.unplaced, false, (one) => one !== host);
      const joined = { hosts: new Map([...first.hosts, ...second.hosts]), unplaced: [] };
      if (second.unplaced.length === 0) {
        this.#commit(host, joined, before);
        return;
      }
      this.#unplace(joined);
      this.#loads.set(before);
    }
    const [host] = hosts;
    if (host === undefined) return;
    const before = Float64Array.from(this.#loads);
    this.#commit(
      host,
      this.#place(this.#guestsOf(host), false, () => false),
      before,
    );
  }

  #place(guests: readonly Guest[], isQuick: boolean, isForced: (host: number) => boolean): Placed {
    const { table, occupancy, options } = this.#input;
    const last = doneBefore(this.#positions.size, options);
    const isOpen = (host: number) => {
      if (!isTarget(table, host)) return false;
      if (!table.row(host).isEmptied) return true;
      const position = this.#positions.get(host);
      if (position === undefined) return isForced(host);
      return position <= last && !this.#keeping.has(host);
    };
    const isGoing = (host: number) => this.#going.has(host);
    return place(guests, { table, occupancy, isOpen, isGoing, loads: this.#loads, isQuick });
  }

  #commit(host: number, { hosts, unplaced }: Placed, loadsBefore: Float64Array): () => void {
    const { table, occupancy, guests, options } = this.#input;
    const guestsBefore = this.#guestsOf(host);
    const arrivals: [number, readonly Guest[]][] = [];
    const movesBefore = this.#moves.length;
    for (const [guest, target] of hosts) {
      occupancy.take(guest.vm, host);
      const move = moveOf(guest, target, table, {
        after: this.#lastMoves.get(guest.vm.id),
        needsReturn: this.#positions.has(target),
        brokenWishes: guest.hasWishes ? occupancy.brokenWishes(guest, target, table) : [],
      });
      this.#moves.push(move);
      this.#lastMoves.set(guest.vm.id, move);
      const others = this.#going.get(target);
      if (others === undefined) continue;
      arrivals.push([target, others]);
      this.#going.set(target, [...others, guests.guestOf(guest.vm, target)]);
    }
    this.#unplaced.push(...unplaced);
    if (unplaced.length > 0) this.#keeping.add(host);
    this.#positions.set(host, this.#positions.size);
    this.#going.delete(host);
    this.#loadOrder =
      arrivals.length === 0 ? this.#loadOrder?.filter((other) => other !== host) : undefined;
    // What is placed now is over when the hosts after the next few begin.
    const kept = options.hostsAtOnce === 0 ? 1 : 1 - 1 / options.hostsAtOnce;
    for (const index of this.#loads.keys()) this.#loads[index] = (this.#loads[index] ?? 0) * kept;
    return () => {
      for (const { vm } of hosts.keys()) occupancy.put(vm, host);
      for (const [target, others] of arrivals.toReversed()) this.#going.set(target, others);
      for (const move of this.#moves.splice(movesBefore)) {
        if (move.after === undefined) this.#lastMoves.delete(move.guest.vm.id);
        else this.#lastMoves.set(move.guest.vm.id, move.after);
      }
      this.#unplace({ hosts, unplaced: [] });
      this.#positions.delete(host);
      this.#going.set(host, guestsBefore);
      this.#loadOrder = undefined;
      this.#loads.set(loadsBefore);
    };
  }

  #unplace({ hosts }: Placed): void {
    for (const [{ vm }, target] of hosts) this.#input.occupancy.take(vm, target);
  }

  #guestsOf(host: number): readonly Guest[] {
    return this.#going.get(host) ?? [];
  }

  #byLoad(): readonly number[] {
    const bytes = (host: number) =>
      this.#guestsOf(host).reduce((sum, { vm }) => sum + vm.memoryBytes, 0);
    this.#loadOrder ??= this.#sorted(bytes);
    return this.#loadOrder;
  }

  #byCount(): number[] {
    return this.#sorted((host) => this.#guestsOf(host).length);
  }

  #sorted(value: (host: number) => number): number[] {
    const values = new Map([...this.#going.keys()].map((host) => [host, value(host)]));
    const of = (host: number) => values.get(host) ?? 0;
    return [...values.keys()].toSorted((one, other) => of(one) - of(other) || one - other);
  }
}
