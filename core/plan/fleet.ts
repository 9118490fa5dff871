import { budgetBlocker } from "../migration/switchover-plan.ts";
import type { Blocker } from "../negotiate/agreement.ts";
import type { Held } from "./execution.ts";
import { gateBlockers } from "./gate-rules.ts";
import { type Guest, Guests, policyOf } from "./guest.ts";
import { HostTable } from "./host-table.ts";
import { Occupancy } from "./occupancy.ts";
import type { PlanOptions } from "./options.ts";
import { pinBlockers } from "./rule-blockers.ts";
import type { FleetSnapshot, PlanVm } from "./snapshot.ts";

/** A VM of a host to be emptied that no host could take, because of the VM itself. */
export type Immovable = {
  readonly vm: PlanVm;
  readonly source: number;
  readonly blockers: readonly Blocker[];
};

/** A snapshot, ready for planning. */
export type Fleet = {
  readonly table: HostTable;
  readonly guests: Guests;
  readonly vms: ReadonlyMap<string, PlanVm>;
  /** With each guest where it is, and those in flight at both sides. */
  readonly occupancy: Occupancy;
  /** Guests that may move, by the host that is to be emptied. */
  readonly going: ReadonlyMap<number, readonly Guest[]>;
  readonly immovable: readonly Immovable[];
  readonly held: readonly Held[];
  /** Memory that the guests to go need, and that the hosts outside the plan have for guests, bytes. */
  readonly memory: { readonly neededBytes: number; readonly freeBytes: number };
};

/**
 * @param leftGroups gate groups that cannot move, and why
 * @throws RangeError when a host to be emptied is not in the snapshot.
 */
export function fleetOf(
  snapshot: FleetSnapshot,
  options: PlanOptions,
  leftGroups: ReadonlyMap<string, readonly Blocker[]> = new Map(),
): Fleet {
  const table = new HostTable(snapshot.hosts, options);
  const guests = new Guests(snapshot, table, options);
  const occupancy = new Occupancy(table, options.keepFreeShare);
  const going = new Map<number, Guest[]>(options.empty.map((id) => [table.indexOf(id), []]));
  const immovable: Immovable[] = [];
  const held: Held[] = [];
  for (const vm of snapshot.vms) {
    const host = table.indexOf(vm.host);
    occupancy.put(vm, host);
    const { inFlight } = vm;
    let source = host;
    if (inFlight !== undefined) {
      source = table.indexOf(inFlight.target);
      occupancy.put(vm, source);
      const { endsInMs } = inFlight;
      held.push({ source: host, target: source, endsInMs, vm: vm.id, tenant: vm.tenant });
    }
    const list = going.get(source);
    if (list === undefined) continue;
    const guest = guests.guestOf(vm, source);
    const blockers = vmBlockers(guest, table, options);
    if (blockers.length > 0) immovable.push({ vm, source, blockers });
    else list.push(guest);
  }
  const vms = new Map<string, PlanVm>(snapshot.vms.map((vm) => [vm.id, vm]));
  const gates = gateBlockers([...going.values()].flat(), table, options);
  keepGates(going, immovable, new Map([...gates, ...leftGroups]));
  keepGroups(going, immovable);
  const memory = memoryOf(table, occupancy, [...going.values()].flat());
  return { table, guests, vms, occupancy, going, immovable, held, memory };
}

/** Members of a gate group that cannot be at the gate together do not move. */
function keepGates(
  going: Map<number, Guest[]>,
  immovable: Immovable[],
  gates: ReadonlyMap<string, readonly Blocker[]>,
): void {
  for (const [source, list] of going) {
    const isKept = ({ vm }: Guest) => vm.gateGroup !== undefined && gates.has(vm.gateGroup);
    for (const { vm } of list.filter(isKept)) {
      immovable.push({ vm, source, blockers: gates.get(vm.gateGroup ?? "") ?? [] });
    }
    going.set(
      source,
      list.filter((guest) => !isKept(guest)),
    );
  }
}

/** VMs that must be together, or switch over, with one that cannot move do not move either. */
function keepGroups(going: Map<number, Guest[]>, immovable: Immovable[]): void {
  // The list grows while it is walked: what is bound binds others.
  for (const kept of immovable) {
    for (const [source, list] of going) {
      const bound = list
        .map((guest) => ({ guest, blocker: boundBy(kept, guest) }))
        .filter(({ blocker }) => blocker !== undefined);
      if (bound.length === 0) continue;
      const guests = new Set(bound.map(({ guest }) => guest));
      going.set(
        source,
        list.filter((guest) => !guests.has(guest)),
      );
      for (const { guest, blocker } of bound) {
        immovable.push({ vm: guest.vm, source, blockers: blocker === undefined ? [] : [blocker] });
      }
    }
  }
}

/** Why a guest stays where one that cannot move stays. */
function boundBy({ vm, source }: Immovable, guest: Guest): Blocker | undefined {
  const { gateGroup } = vm;
  if (gateGroup !== undefined && guest.vm.gateGroup === gateGroup) {
    return {
      code: "gate-group",
      message: `It switches over together with ${vm.id}, which cannot move`,
      cure: `See the reasons of ${vm.id}, or take it out of the gate group ${gateGroup}`,
    };
  }
  const groups = vm.affinities
    .filter(({ rule, strength }) => rule === "together" && strength === "required")
    .map(({ group }) => group);
  const isBound = source === guest.source && guest.together.some((one) => groups.includes(one));
  if (!isBound) return undefined;
  return {
    code: "affinity",
    message: `It must be on one host with ${vm.id}, which cannot move`,
    cure: `See the reasons of ${vm.id}, or relax the rule of ${groups.join(", ")}`,
  };
}

function memoryOf(table: HostTable, occupancy: Occupancy, guests: readonly Guest[]) {
  const targets = [...table.rows.entries()].filter(
    ([, { blockers, isEmptied }]) => blockers.length === 0 && !isEmptied,
  );
  return {
    neededBytes: guests.reduce((sum, { vm }) => sum + vm.memoryBytes, 0),
    freeBytes: targets.reduce((sum, [host]) => sum + Math.max(0, occupancy.room(host)), 0),
  };
}

/** What keeps a VM where it is, whatever the target is. */
export function vmBlockers(guest: Guest, table: HostTable, options: PlanOptions): Blocker[] {
  const { vm } = guest;
  const found = pinBlockers(vm, true);
  const { loadMs, from = `migrations of ${vm.id}` } = vm.learned;
  const learned = loadMs === undefined ? undefined : { loadMs, from };
  const budget = budgetBlocker(policyOf(vm, options.policy), learned);
  if (budget !== undefined) found.push(budget);
  const tooLong = windowBlocker(guest, table, options);
  return tooLong === undefined ? found : [...found, tooLong];
}

function windowBlocker(
  { candidates, source, estimate }: Guest,
  table: HostTable,
  { windowMs: oneMs, windows, prepareMs }: PlanOptions,
): Blocker | undefined {
  const lengths = windows?.map(({ startMs, endMs }) => endMs - startMs) ?? [];
  const longestMs = lengths.reduce((most, length) => Math.max(most, length), 0);
  const windowMs = windows === undefined ? oneMs : longestMs;
  if (windowMs === undefined || candidates.length === 0) return undefined;
  const rates = candidates.map((host) => table.rate(source, host));
  const best = estimate(rates.reduce((most, rate) => Math.max(most, rate)));
  if (best.slotMs <= windowMs) return undefined;
  const { round } = Math;
  return {
    code: "window-too-short",
    field: "windowMs",
    message: `Its migration takes ${round(best.slotMs / 1000)} s, and the window is ${round(windowMs / 1000)} s long`,
    cure: `Give it a window of ${Math.ceil((best.slotMs + prepareMs) / 1000)} s, a higher stream rate, or a time in which it writes less`,
  };
}
