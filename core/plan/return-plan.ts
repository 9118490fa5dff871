import type { HostId, VmId } from "../id.ts";
import type { Blocker } from "../negotiate/agreement.ts";
import { memoryBlockers } from "../negotiate/memory.ts";
import { type EtaBand, etaBand } from "./eta.ts";
import { vmBlockers } from "./fleet.ts";
import { type Guest, Guests } from "./guest.ts";
import { HostTable } from "./host-table.ts";
import { lowerBound } from "./lower-bound.ts";
import { type Move, moveOf } from "./move.ts";
import { Occupancy } from "./occupancy.ts";
import type { PlanOptions } from "./options.ts";
import type { PlannedMove } from "./plan-result.ts";
import { plannedMove } from "./report.ts";
import type { FleetSnapshot, PlanVm } from "./snapshot.ts";
import { byUrgency } from "./urgency.ts";
import { shortList, size } from "./wording.ts";

/** VMs that an evacuation has moved, each with the host that it came from. */
export type Homes = ReadonlyMap<VmId, HostId>;

export type ReturnPlan = {
  readonly moves: readonly PlannedMove[];
  /** VMs that stay where they are, and why they cannot go home. */
  readonly staying: readonly {
    readonly vm: VmId;
    readonly host: HostId;
    readonly home: HostId;
    readonly blockers: readonly Blocker[];
  }[];
  readonly eta: EtaBand;
  /** No schedule of these moves is shorter, ms. */
  readonly lowerBoundMs: number;
};

type Options = Omit<PlanOptions, "empty">;
type Homeward = { readonly guest: Guest; readonly home: number };

/**
 * Plans the way back: each VM goes to its home and nowhere else, when the room for it is free. A VM
 * that waits for another one to leave is not prepared before that one has ended.
 *
 * @throws RangeError when a VM or a home is not in the snapshot, or a VM is in flight
 */
export function planReturn(snapshot: FleetSnapshot, homes: Homes, rest: Options): ReturnPlan {
  const options: PlanOptions = { ...rest, empty: [] };
  const table = new HostTable(snapshot.hosts, options);
  const guests = new Guests(snapshot, table, options);
  const occupancy = new Occupancy(table, options.keepFreeShare);
  for (const vm of snapshot.vms) occupancy.put(vm, table.indexOf(vm.host));
  const all = homewardOf(snapshot, homes, { table, guests });
  const own = new Map(all.map((one) => [one, homeBlockers(one, { table, guests, options })]));
  const ready = all.filter((one) => own.get(one)?.length === 0);
  const way = new WayBack(table, occupancy);
  const waiting = way.send(ready);
  const input = {
    table,
    // All hosts at once: a VM may wait for one of another host.
    options: { ...options, hostsAtOnce: 0, canaryHosts: 0, ramp: [], returnAfterMs: undefined },
    moves: way.moves,
    order: [...new Set(way.moves.map(({ source }) => source))],
    keeping: new Set<number>(),
    held: [],
  };
  const ordered = byUrgency(input);
  const isGoing = new Set(way.moves.map(({ guest }) => guest));
  const context = { table, occupancy, vms: byId(snapshot), waiting };
  return {
    moves: ordered.schedule.moves.map((timed) => plannedMove(timed, table)),
    staying: all
      .filter(({ guest }) => !isGoing.has(guest))
      .map((one) => ({
        vm: one.guest.vm.id,
        host: one.guest.vm.host,
        home: table.row(one.home).host.id,
        blockers: own.get(one)?.length ? (own.get(one) ?? []) : roomBlockers(one, context),
      })),
    eta: etaBand({ ...input, moves: ordered.moves }, ordered.schedule),
    lowerBoundMs: lowerBound(way.moves, input).ms,
  };
}

function byId({ vms }: FleetSnapshot): ReadonlyMap<string, PlanVm> {
  return new Map(vms.map((vm) => [vm.id, vm]));
}

/** Those that are not at home already. */
function homewardOf(
  snapshot: FleetSnapshot,
  homes: Homes,
  { table, guests }: { table: HostTable; guests: Guests },
): Homeward[] {
  const vms = byId(snapshot);
  return [...homes].flatMap(([id, homeId]) => {
    const vm = vms.get(id);
    if (vm === undefined || vm.inFlight !== undefined) {
      const got = vm === undefined ? "none" : "one in flight";
      throw new RangeError(`Expected the snapshot to have \`${id}\` at rest, got ${got}`);
    }
    const home = table.indexOf(homeId);
    return vm.host === homeId ? [] : [{ guest: guests.guestOf(vm, table.indexOf(vm.host)), home }];
  });
}

/** Why a VM cannot go home, however much room there is. */
function homeBlockers(
  { guest, home }: Homeward,
  { table, guests, options }: { table: HostTable; guests: Guests; options: PlanOptions },
): readonly Blocker[] {
  const row = table.row(home);
  const { host: source } = table.row(guest.source);
  return [
    ...vmBlockers(guest, table, options),
    ...row.blockers,
    ...guests.eligibility.verdict(guest.vm, source, row.host).blockers,
  ];
}

/** Sends VMs home in an order in which each finds its room. */
class WayBack {
  readonly moves: Move[] = [];
  readonly #table: HostTable;
  readonly #occupancy: Occupancy;

  constructor(table: HostTable, occupancy: Occupancy) {
    this.#table = table;
    this.#occupancy = occupancy;
  }

  /** @returns those that no order brings home */
  send(homeward: readonly Homeward[]): readonly Homeward[] {
    let waiting = homeward;
    for (;;) {
      const left = waiting.filter((one) => !this.#try(one));
      if (left.length === waiting.length) return left;
      waiting = left;
    }
  }

  #try({ guest, home }: Homeward): boolean {
    const occupancy = this.#occupancy;
    if (!occupancy.fits(guest, home, () => false)) return false;
    const needs = this.#needs({ guest, home });
    const brokenWishes = guest.hasWishes ? occupancy.brokenWishes(guest, home, this.#table) : [];
    occupancy.take(guest.vm, guest.source);
    occupancy.put(guest.vm, home);
    this.moves.push(moveOf(guest, home, this.#table, { needs, brokenWishes }));
    return true;
  }

  /** Those that must have left its home before: none if it would fit with all of them there. */
  #needs({ guest, home }: Homeward): readonly Move[] {
    const leaving = this.moves.filter(({ source }) => source === home);
    for (const { guest: other } of leaving) this.#occupancy.put(other.vm, home);
    const fitsAtOnce = this.#occupancy.fits(guest, home, () => false);
    for (const { guest: other } of leaving) this.#occupancy.take(other.vm, home);
    return fitsAtOnce ? [] : leaving;
  }
}

type RoomContext = {
  readonly table: HostTable;
  readonly occupancy: Occupancy;
  readonly vms: ReadonlyMap<string, PlanVm>;
  /** VMs that cannot go home either. */
  readonly waiting: readonly Homeward[];
};

/** Who has the room, or breaks a rule: VMs that cannot go home themselves, or others. */
function roomBlockers({ guest, home }: Homeward, context: RoomContext): Blocker[] {
  const { table, occupancy, vms, waiting } = context;
  const { id, memoryBytes } = table.row(home).host;
  const here = [...occupancy.guestsOn(home)].filter((name) => name !== guest.vm.id);
  const stuck = new Map(waiting.map((one) => [one.guest.vm.id as string, one]));
  const homeless = here.filter((name) => stuck.has(name));
  const others = here.filter((name) => !stuck.has(name));
  const neededBytes = guest.vm.memoryBytes;
  const freeBytes = occupancy.room(home);
  const lackingBytes = neededBytes - freeBytes;
  if (lackingBytes <= 0) {
    return [
      {
        code: "affinity",
        message: `A rule between ${guest.vm.id} and ${shortList(here)} on ${id} forbids it`,
        cure: `Relax the rule, or move ${shortList(here)}`,
      },
    ];
  }
  const [short] = memoryBlockers({ neededBytes, freeBytes });
  const has = here.length === 0 ? `of ${size(memoryBytes)}` : `${shortList(here)} has it`;
  const waits = homeless.map((name) => {
    const at = stuck.get(name)?.home ?? home;
    return `${name} would have to go home to ${table.row(at).host.id} first`;
  });
  const movable = others
    .map((name) => vms.get(name))
    .filter((vm) => vm !== undefined && vm.memoryBytes >= lackingBytes)
    .toSorted((one, other) => (one?.memoryBytes ?? 0) - (other?.memoryBytes ?? 0))[0];
  return [
    {
      code: short?.code ?? "memory-short",
      message: [
        `${id} has ${size(freeBytes)} free, it needs ${size(neededBytes)}: ${has}`,
        ...waits,
      ].join("; "),
      cure:
        movable !== undefined
          ? `Move ${movable.id} off ${id}`
          : homeless.length > 0
            ? `See the reasons of ${shortList(homeless)}`
            : `Free ${size(lackingBytes)} on ${id}`,
    },
  ];
}
