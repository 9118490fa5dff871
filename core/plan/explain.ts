import type { HostId } from "../id.ts";
import type { Blocker } from "../negotiate/agreement.ts";
import { memoryBlockers } from "../negotiate/memory.ts";
import type { Assignment } from "./assignment.ts";
import type { Fleet } from "./fleet.ts";
import type { Guest } from "./guest.ts";
import type { Move } from "./move.ts";
import type { Explanation } from "./plan-result.ts";
import { apartBlockers, labelBlockers } from "./rule-blockers.ts";
import { shortList, size } from "./wording.ts";

const CURES_MAX = 3;
/** Guests for which another host is searched, as their move would make room. */
const ROOM_VMS_MAX = 50;

type Refusal = { readonly host: number; readonly blockers: Blocker[] };

/** Explains the state that a plan leads to: its arrivals take room, its emptied hosts are closed. */
export class Explainer {
  readonly #fleet: Fleet;
  readonly #arrivals: ReadonlyMap<number, readonly Move[]>;
  readonly #returning: ReadonlySet<number>;
  readonly #positions: ReadonlyMap<number, number>;
  readonly #keepNPlusOne: boolean;
  readonly #indexes = new Map<string, number>();
  /** Those that were asked for, each once. */
  readonly explanations: Explanation[] = [];

  constructor(
    fleet: Fleet,
    plan: Pick<Assignment, "moves" | "returning" | "order"> & { keepNPlusOne: boolean },
  ) {
    this.#fleet = fleet;
    this.#arrivals = Map.groupBy(plan.moves, ({ target }) => target);
    this.#returning = plan.returning;
    this.#positions = new Map(plan.order.map((host, position) => [host, position]));
    this.#keepNPlusOne = plan.keepNPlusOne;
  }

  /**
   * The index in `explanations`: VMs that are alike have the same.
   *
   * @param isImmovable the VM's own reasons keep it: hosts that would take it are no refusals
   */
  explain(guest: Guest, isImmovable = false): number {
    const key = `${this.#keyOf(guest)}${isImmovable}`;
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const { table } = this.#fleet;
    const refusals: Refusal[] = [];
    const fitting: HostId[] = [];
    for (const host of table.rows.keys()) {
      const blockers = this.#blockers(guest, host);
      if (blockers.length > 0) refusals.push({ host, blockers });
      else if (isImmovable) fitting.push(table.row(host).host.id);
      else refusals.push({ host, blockers: [this.#leftOver()] });
    }
    const groups = Map.groupBy(refusals, ({ blockers }) => JSON.stringify(blockers));
    const reasons = [...groups.values()].map((list) => ({
      hosts: list.map(({ host }) => table.row(host).host.id),
      blockers: list[0]?.blockers ?? [],
    }));
    const index = this.explanations.length;
    this.explanations.push({ reasons, fitting, cures: this.#cures(guest, refusals) });
    this.#indexes.set(key, index);
    return index;
  }

  /** Guests with the same key get the same reasons. */
  #keyOf({ vm, source }: Guest): string {
    const { guests, table } = this.#fleet;
    // Hosts that come back are open to those that go later.
    const position = this.#returning.size === 0 ? 0 : this.#positions.get(source);
    const { memoryBytes, affinities, resources, sharedResources, requiredLabels } = vm;
    const asked = [memoryBytes, affinities, resources, sharedResources, requiredLabels, position];
    const ownParts = affinities.length + resources.length + vm.refusedBy.length;
    const own = ownParts === 0 && !vm.gateGroup ? "" : vm.id;
    return JSON.stringify([guests.eligibility.guestKey(vm, table.row(source).host), asked, own]);
  }

  #blockers(guest: Guest, host: number): Blocker[] {
    const { table, guests } = this.#fleet;
    const { vm, source } = guest;
    const row = table.row(host);
    const isClosed = this.#isClosed(host, source);
    const found: Blocker[] = [...row.blockers];
    if (isClosed) {
      found.push({
        code: "host-being-emptied",
        message:
          "It is to be emptied by the same plan, and does not come back before this VM has to go",
        cure: "Do not empty it at the same time",
      });
    }
    if (vm.refusedBy.includes(row.host.id)) {
      found.push({
        code: "target-refused",
        message: "It has refused this VM when a migration to it was tried",
        cure: "See the failed migration of the VM for the reason, correct it, then retry the VM",
      });
    }
    found.push(...guests.eligibility.verdict(vm, table.row(source).host, row.host).blockers);
    found.push(...this.#labelBlockers(guest, host), ...this.#ruleBlockers(guest, host));
    return isClosed ? found : [...found, ...this.#memory(guest, host)];
  }

  #labelBlockers({ vm }: Guest, host: number): Blocker[] {
    return labelBlockers(vm.requiredLabels, this.#fleet.table.row(host).host.labels);
  }

  #ruleBlockers(guest: Guest, host: number): Blocker[] {
    const { occupancy, table } = this.#fleet;
    const { vm } = guest;
    const found: Blocker[] = [];
    for (const name of vm.resources) {
      const user = occupancy.userOf(host, name);
      if (user === undefined || user === vm.id) continue;
      found.push({
        code: "resource-in-use",
        message: `${user} uses the host resource ${name} there`,
        cure: `Move ${user} to another host first`,
      });
    }
    const { gateGroup } = vm;
    if (gateGroup !== undefined && !occupancy.hasGateSlot(gateGroup, host)) {
      const { slots } = table.row(host).in;
      found.push({
        code: "group-exceeds-slots",
        message: `${slots} of the gate group ${gateGroup} arrive there, and it has ${slots} slots in`,
        cure: "Lower the stream rate, or add a target",
      });
    }
    for (const group of guest.apart) {
      found.push(...apartBlockers(vm.id, group, occupancy.membersOf(group).get(host) ?? []));
    }
    for (const group of guest.together) {
      const elsewhere = [...occupancy.membersOf(group)].filter(
        ([other]) =>
          other !== host && other !== guest.source && !this.#isClosed(other, guest.source),
      );
      const [first] = elsewhere;
      if (first === undefined) continue;
      found.push({
        code: "affinity",
        message: `${[...first[1]].join(", ")} of the group ${group} is on ${table.row(first[0]).host.id}, and members are together`,
        cure: `Make room for the whole group ${group} on one host, or take ${vm.id} out of it`,
      });
    }
    return found;
  }

  /** A host that is emptied, and does not come back before the guests of another one go. */
  #isClosed(host: number, source: number): boolean {
    if (!this.#fleet.table.row(host).isEmptied) return false;
    const own = this.#positions.get(source) ?? 0;
    return !this.#returning.has(host) || (this.#positions.get(host) ?? own) >= own;
  }

  #memory({ vm, together, source }: Guest, host: number): Blocker[] {
    const { occupancy, going } = this.#fleet;
    const arrivals = this.#arrivals.get(host) ?? [];
    const givenBytes = arrivals.reduce((sum, { guest }) => sum + guest.vm.memoryBytes, 0);
    const freeBytes = occupancy.free[host] ?? 0;
    const neededBytes = vm.memoryBytes;
    const short = memoryBlockers({ neededBytes, freeBytes: freeBytes + givenBytes });
    if (short.length > 0) return short;
    if (freeBytes < neededBytes) {
      const names = arrivals.map(({ guest }) => guest.vm.id);
      return [
        {
          code: "memory-given-in-plan",
          message: `It would fit alone: it needs ${size(neededBytes)}, ${size(freeBytes + givenBytes)} are free, and ${size(givenBytes)} of them are given to ${shortList(names)} in this plan`,
          cure: `Free ${size(neededBytes - freeBytes)} on the host`,
        },
      ];
    }
    if (occupancy.room(host) < neededBytes) {
      return [
        {
          code: "keep-free",
          message: `${size(freeBytes)} are free, and ${size(occupancy.keep[host] ?? 0)} of them are kept free by the plan's options`,
          cure: "Lower keepFreeShare, or free memory on the host",
        },
      ];
    }
    const others = (going.get(source) ?? []).filter(
      (other) => other.vm.id !== vm.id && other.together.some((group) => together.includes(group)),
    );
    const bytes = others.reduce((sum, other) => sum + other.vm.memoryBytes, neededBytes);
    if (others.length > 0) {
      return [
        {
          code: "affinity",
          message: `It must be on one host with ${shortList(others.map((other) => other.vm.id))}: together they need ${size(bytes)}, and no host takes all of them`,
          cure: `Free ${size(Math.max(0, bytes - occupancy.room(host)))} on the host, or relax the group's rule`,
        },
      ];
    }
    return [];
  }

  /** A host that would take the VM alone, and does not get it in this plan. */
  #leftOver(): Blocker {
    if (this.#keepNPlusOne) {
      return {
        code: "n-plus-one",
        message: "With it there, the guests of some host would find no place when that host fails",
        cure: "Add memory, or do without keepNPlusOne",
      };
    }
    return {
      code: "not-found",
      message: "It fits alone, and no placement was found in which all the others keep theirs",
      cure: "Plan again with fewer hosts to empty, or free memory on this host",
    };
  }

  /** What the hosts that are the nearest to fitting lack, and one move that makes room. */
  #cures(guest: Guest, refusals: readonly Refusal[]): string[] {
    const { table } = this.#fleet;
    const isShort = ({ blockers }: Refusal) => blockers.every(({ code }) => /^memory-/.test(code));
    // To leave another host out of the plan is the last thing that helps.
    const isClosed = ({ host }: Refusal) => this.#isClosed(host, guest.source);
    const room = this.#roomCure(guest, refusals.filter(isShort));
    const weight = (one: Refusal) =>
      one.blockers.length + (isShort(one) ? 0.5 : 0) + (isClosed(one) ? 1_000 : 0);
    const nearest = refusals
      .filter(({ host }) => host !== guest.source)
      .toSorted((one, other) => weight(one) - weight(other))
      .slice(0, CURES_MAX)
      .map(({ host, blockers }) => {
        const { id } = table.row(host).host;
        return `${id}: ${blockers.map(({ cure }) => cure).join("; ")}`;
      });
    return [...(room === undefined ? [] : [room]), ...nearest].slice(0, CURES_MAX);
  }

  #roomCure({ vm }: Guest, refusals: readonly Refusal[]): string | undefined {
    const { occupancy, table, guests, vms } = this.#fleet;
    const lacking = (host: number) => vm.memoryBytes - occupancy.room(host);
    const isGoing = (host: number) => table.row(host).isEmptied;
    const targets = [...table.rows.keys()].filter(
      (host) => !isGoing(host) && table.row(host).blockers.length === 0,
    );
    const most = targets.reduce((room, host) => Math.max(room, occupancy.room(host)), 0);
    const movable = refusals
      .toSorted((one, other) => lacking(one.host) - lacking(other.host) || one.host - other.host)
      .flatMap(({ host }) =>
        [...occupancy.guestsOn(host)].map((id) => ({ host, other: vms.get(id) })),
      )
      .filter(({ host, other }) => {
        if (other === undefined || other.pinned !== undefined) return false;
        const isThere = table.indexOf(other.host) === host && other.inFlight === undefined;
        return isThere && other.memoryBytes >= lacking(host) && other.memoryBytes <= most;
      });
    for (const { host, other } of movable.slice(0, ROOM_VMS_MAX)) {
      if (other === undefined) continue;
      const guest = guests.guestOf(other, host);
      const target = guest.candidates.find(
        (to) => to !== host && !isGoing(to) && occupancy.fits(guest, to, isGoing),
      );
      if (target === undefined) continue;
      const { id } = table.row(host).host;
      const to = table.row(target).host.id;
      return `Move ${other.id} from ${id} to ${to}, which makes room on ${id}`;
    }
    return undefined;
  }
}
