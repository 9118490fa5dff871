import { AloneMoves } from "./alone-moves.ts";
import { GateGroups } from "./gate-groups.ts";
import type { HostTable } from "./host-table.ts";
import type { Move } from "./move.ts";
import type { PlanOptions } from "./options.ts";

/** Whether there is time to prepare a migration and carry it out, or to carry it out. */
export type HasTime = (move: Move, from: "prepare" | "start") => boolean;

/** What is to be done now. */
export type Dispatched = { readonly prepare: readonly Move[]; readonly start: readonly Move[] };

type Source = {
  isOpen: boolean;
  out: number;
  /** Not yet prepared, the most urgent first. */
  queue: Move[];
  /** Being prepared. */
  preparing: number;
  /** Prepared, without a slot yet, the most urgent first. */
  ready: Move[];
};
/** A migration that the plan has not made. */
type Outside = {
  readonly source: number;
  readonly target: number;
  readonly tenant?: string | undefined;
};
type Target = { isReturned: boolean; in: number; ready: Move[] };

/**
 * Decides which migration is prepared and which is started next. A migration starts when its source
 * and its target both have a free slot; of several, the most urgent. A few more than that are
 * prepared ahead, so that a slot which becomes free finds one that is ready. The plan's schedule is
 * what these decisions lead to when everything takes as long as predicted; carrying a plan out makes
 * the same decisions with what happens.
 */
export class Dispatcher {
  readonly #table: HostTable;
  readonly #sources: Source[];
  readonly #targets: Target[];
  readonly #urgency = new Map<Move, number>();
  #added = 0;
  readonly #ended = new Set<Move>();
  /** Sources of the migrations that wait for the end of another one. */
  readonly #dependents = new Map<Move, Set<number>>();
  readonly #tenantLimits: PlanOptions["tenantLimits"];
  readonly #hasTenantLimits: boolean;
  /** Migrations of each tenant that were started, and those in the pools. */
  readonly #tenants = new Map<string, number>();
  readonly #tenantPools = new Map<string, number>();
  #hasTime: HasTime = () => true;
  readonly #gates = new GateGroups();
  readonly #alone = new AloneMoves();
  readonly #changedSources = new Set<number>();
  readonly #changedTargets = new Set<number>();

  /** Sources are closed at first. */
  constructor(table: HostTable, tenantLimits: PlanOptions["tenantLimits"]) {
    this.#table = table;
    this.#tenantLimits = tenantLimits;
    this.#hasTenantLimits = Object.keys(tenantLimits).length > 0;
    this.#sources = table.rows.map(() => ({
      isOpen: false,
      out: 0,
      queue: [],
      preparing: 0,
      ready: [],
    }));
    this.#targets = table.rows.map(() => ({ isReturned: false, in: 0, ready: [] }));
  }

  /** Adds migrations, the most urgent first; they are less urgent than those that were added before. */
  add(moves: readonly Move[]): void {
    for (const move of moves) {
      this.#urgency.set(move, this.#added);
      this.#added += 1;
      this.#gates.add(move);
      this.#alone.add(move);
      this.#source(move.source).queue.push(move);
      this.#changedSources.add(move.source);
      for (const earlier of move.needs) {
        const hosts = this.#dependents.get(earlier) ?? new Set();
        this.#dependents.set(earlier, hosts.add(move.source));
      }
    }
  }

  openSource(host: number): void {
    this.#source(host).isOpen = true;
    this.#changedSources.add(host);
  }

  /** A host that was emptied takes guests again. */
  returned(host: number): void {
    this.#target(host).isReturned = true;
    this.#changeAllSources();
  }

  /** A migration outside the plan takes a slot at both sides, or gives it back. */
  hold({ source, target, tenant }: Outside, slots: 1 | -1): void {
    this.#source(source).out += slots;
    this.#target(target).in += slots;
    this.#alone.count(slots);
    this.#reopen();
    this.#changedSources.add(source);
    this.#changedTargets.add(target);
    this.#holdTenant(tenant, slots);
  }

  prepared(move: Move): void {
    const source = this.#source(move.source);
    source.preparing -= 1;
    this.#gates.prepared(move);
    this.#insert(source.ready, move);
    this.#insert(this.#target(move.target).ready, move);
    this.#changedSources.add(move.source);
  }

  /** A migration that was started has ended well. */
  ended(move: Move): void {
    this.#ended.add(move);
    this.#release(move);
  }

  /** A migration that was started has failed: it is prepared again, as urgent as it was. */
  failed(move: Move): void {
    this.#release(move);
    this.#gates.add(move);
    this.#alone.add(move);
    this.#insert(this.#source(move.source).queue, move);
  }

  /** What waits until nothing else is underway, or until one that is alone has ended. */
  #reopen(): void {
    for (const host of this.#alone.waitingSources) this.#changedSources.add(host);
    if (this.#alone.takeEnded()) this.#changeAllSources();
  }

  #release(move: Move): void {
    this.#alone.ended(move);
    this.#reopen();
    this.#source(move.source).out -= 1;
    this.#changedSources.add(move.source);
    this.#target(move.target).in -= 1;
    this.#changedTargets.add(move.target);
    for (const host of this.#dependents.get(move) ?? []) this.#changedSources.add(host);
    this.#holdTenant(move.guest.vm.tenant, -1);
  }

  #holdTenant(tenant: string | undefined, count: 1 | -1): void {
    if (tenant === undefined || this.#limitOf(tenant) === undefined) return;
    this.#tenants.set(tenant, (this.#tenants.get(tenant) ?? 0) + count);
    if (count < 0) this.#changeAllSources();
  }

  #poolTenant({ guest }: Move, count: 1 | -1): void {
    const { tenant } = guest.vm;
    if (tenant === undefined || this.#limitOf(tenant) === undefined) return;
    this.#tenantPools.set(tenant, (this.#tenantPools.get(tenant) ?? 0) + count);
  }

  /** A window opens: what did not fit the one before may go now. */
  windowOpened(): void {
    this.#changeAllSources();
  }

  /** What has become possible since the last call. */
  next(hasTime: HasTime = () => true): Dispatched {
    this.#hasTime = hasTime;
    const prepare: Move[] = [];
    const start: Move[] = [];
    for (const host of this.#changedSources) this.#fillPool(host, prepare);
    const waiting = new Set<readonly Move[]>();
    for (const host of this.#changedTargets) waiting.add(this.#target(host).ready);
    for (const host of this.#changedSources) waiting.add(this.#source(host).ready);
    for (let move = this.#mostUrgent(waiting); move; move = this.#mostUrgent(waiting)) {
      for (const one of this.#startedWith(move)) {
        this.#start(one);
        start.push(one);
        if (one.guest.vm.gateGroup === undefined) continue;
        // Others were held back for the group.
        waiting.add(this.#source(one.source).ready).add(this.#target(one.target).ready);
      }
    }
    this.#changedSources.clear();
    this.#changedTargets.clear();
    // A group, or a tenant, has held back what waits on other sources.
    const isWide = start.some(
      ({ guest: { vm } }) => vm.gateGroup !== undefined || this.#limitOf(vm.tenant) !== undefined,
    );
    const sources = isWide ? this.#sources.keys() : start.map(({ source }) => source);
    for (const source of sources) this.#fillPool(source, prepare);
    return { prepare, start };
  }

  #fillPool(host: number, prepare: Move[]): void {
    const source = this.#source(host);
    if (!source.isOpen || source.queue.length === 0) return;
    const { pool } = this.#table.row(host);
    let index = 0;
    while (source.preparing + source.ready.length < pool) {
      const move = source.queue[index];
      if (move === undefined) return;
      if (this.#mayPrepare(move)) {
        source.queue.splice(index, 1);
        source.preparing += 1;
        this.#gates.preparing(move);
        this.#alone.preparing(move);
        this.#poolTenant(move, 1);
        prepare.push(move);
      } else index += 1;
    }
  }

  #mayPrepare(move: Move): boolean {
    if (move.needsReturn && !this.#target(move.target).isReturned) return false;
    for (const earlier of move.needs) if (!this.#ended.has(earlier)) return false;
    if (!this.#gates.mayPrepare(move) || !this.#alone.mayPrepare(move)) return false;
    if (!this.#hasTime(move, "prepare")) return false;
    const { tenant } = move.guest.vm;
    const limit = this.#limitOf(tenant);
    if (limit === undefined || move.guest.vm.gateGroup !== undefined) return true;
    // A tenant at its limit must not fill the pools while others could go: so it is at admission.
    return (this.#tenantPools.get(tenant ?? "") ?? 0) < limit;
  }

  /** Of the first that may start in each list, the most urgent one. */
  #mostUrgent(lists: Iterable<readonly Move[]>): Move | undefined {
    let found: Move | undefined;
    for (const list of lists) {
      const first = list.find((move) => this.#mayStart(move));
      if (first === undefined) continue;
      if (found === undefined || this.#urgencyOf(first) < this.#urgencyOf(found)) found = first;
    }
    return found;
  }

  /** The whole group of a migration, or the migration alone. */
  #startedWith(move: Move): readonly Move[] {
    return move.guest.vm.gateGroup === undefined ? [move] : [...(this.#gates.complete ?? [])];
  }

  #start(move: Move): void {
    this.#gates.started(move);
    const source = this.#source(move.source);
    const target = this.#target(move.target);
    source.out += 1;
    target.in += 1;
    remove(source.ready, move);
    remove(target.ready, move);
    this.#poolTenant(move, -1);
    this.#holdTenant(move.guest.vm.tenant, 1);
  }

  #mayStart(move: Move): boolean {
    const group = this.#gates.complete;
    if (move.guest.vm.gateGroup === undefined) {
      return this.#hasRoom(move, 1, 1, 1) && !this.#isHeldBack(move, group ?? new Set());
    }
    if (group?.has(move) !== true) return false;
    const members = [...group];
    const count = (isAlike: (member: Move) => boolean) => members.filter(isAlike).length;
    return members.every((one) =>
      this.#hasRoom(
        one,
        count(({ source }) => source === one.source),
        count(({ target }) => target === one.target),
        count(({ guest }) => guest.vm.tenant === one.guest.vm.tenant),
      ),
    );
  }

  /** Whether it has time, and so many may start from its source, to its target, of its tenant. */
  #hasRoom(move: Move, out: number, inward: number, own: number): boolean {
    const { source, target, guest } = move;
    if (!this.#hasTime(move, "start")) return false;
    if (this.#source(source).out + out > this.#table.row(source).out.slots) return false;
    if (this.#target(target).in + inward > this.#table.row(target).in.slots) return false;
    const { tenant } = guest.vm;
    const limit = this.#limitOf(tenant);
    return limit === undefined || (this.#tenants.get(tenant ?? "") ?? 0) + own <= limit;
  }

  /** A group that waits for its slots goes before what is less urgent and needs the same ones. */
  #isHeldBack(move: Move, group: ReadonlySet<Move>): boolean {
    const { tenant } = move.guest.vm;
    const isLimited = this.#limitOf(tenant) !== undefined;
    // One that waits for the next window lets the others use the rest of this one.
    for (const member of group) if (!this.#hasTime(member, "start")) return false;
    for (const member of group) {
      const isRival =
        member.source === move.source ||
        member.target === move.target ||
        (isLimited && member.guest.vm.tenant === tenant);
      if (isRival && this.#urgencyOf(member) < this.#urgencyOf(move)) return true;
    }
    return false;
  }

  #limitOf(tenant: string | undefined): number | undefined {
    if (!this.#hasTenantLimits || tenant === undefined) return undefined;
    return this.#tenantLimits[tenant];
  }

  #changeAllSources(): void {
    for (const [index, { ready, queue }] of this.#sources.entries()) {
      if (ready.length + queue.length > 0) this.#changedSources.add(index);
    }
  }

  #urgencyOf(move: Move): number {
    return this.#urgency.get(move) ?? Number.POSITIVE_INFINITY;
  }

  #insert(ready: Move[], move: Move): void {
    const own = this.#urgencyOf(move);
    const index = ready.findIndex((other) => this.#urgencyOf(other) > own);
    ready.splice(index < 0 ? ready.length : index, 0, move);
  }

  #source(host: number): Source {
    const source = this.#sources[host];
    if (source === undefined) throw new RangeError(`Expected a host's index, got ${host}`);
    return source;
  }

  #target(host: number): Target {
    const target = this.#targets[host];
    if (target === undefined) throw new RangeError(`Expected a host's index, got ${host}`);
    return target;
  }
}

function remove(list: Move[], move: Move): void {
  const index = list.indexOf(move);
  if (index >= 0) list.splice(index, 1);
}
