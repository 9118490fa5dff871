import type { Guest } from "./guest.ts";
import type { HostTable } from "./host-table.ts";
import type { FleetSnapshot } from "./snapshot.ts";

/** What the hosts hold at one moment of a plan: memory, members of groups, host resources. */
export class Occupancy {
  /** Memory that nobody has, by host, bytes. */
  readonly free: Float64Array;
  /** Of it, what the options keep free, bytes. */
  readonly keep: Float64Array;
  /** Guests by host. */
  readonly #guests: Set<string>[];
  /** Group → host → its members there. */
  readonly #groups = new Map<string, Map<number, Set<string>>>();
  /** `host resource` → the VM that uses it. */
  readonly #resources = new Map<string, string>();

  /** Gate group → host → how many of its members arrive there. */
  readonly #gates = new Map<string, Map<number, number>>();
  readonly #table: HostTable;

  constructor(table: HostTable, keepFreeShare: number) {
    this.#table = table;
    this.free = Float64Array.from(table.rows, ({ host }) => host.memoryBytes - host.heldBytes);
    this.keep = Float64Array.from(table.rows, ({ host }) => host.memoryBytes * keepFreeShare);
    this.#guests = table.rows.map(() => new Set());
  }

  /** Memory that a guest may still get on a host, bytes. */
  room(host: number): number {
    return (this.free[host] ?? 0) - (this.keep[host] ?? 0);
  }

  put(vm: FleetSnapshot["vms"][number], host: number): void {
    this.free[host] = (this.free[host] ?? 0) - vm.memoryBytes;
    this.#guests[host]?.add(vm.id);
    for (const { group } of vm.affinities) {
      const hosts = this.#groups.get(group) ?? new Map<number, Set<string>>();
      this.#groups.set(group, hosts);
      const members = hosts.get(host) ?? new Set<string>();
      hosts.set(host, members.add(vm.id));
    }
    for (const name of vm.resources) this.#resources.set(`${host} ${name}`, vm.id);
    this.#arrive(vm, host, 1);
  }

  take(vm: FleetSnapshot["vms"][number], host: number): void {
    this.free[host] = (this.free[host] ?? 0) + vm.memoryBytes;
    this.#guests[host]?.delete(vm.id);
    for (const { group } of vm.affinities) {
      const hosts = this.#groups.get(group);
      const members = hosts?.get(host);
      members?.delete(vm.id);
      if (members?.size === 0) hosts?.delete(host);
    }
    for (const name of vm.resources) {
      const key = `${host} ${name}`;
      if (this.#resources.get(key) === vm.id) this.#resources.delete(key);
    }
    this.#arrive(vm, host, -1);
  }

  #arrive({ gateGroup, host: home }: FleetSnapshot["vms"][number], host: number, by: 1 | -1): void {
    if (gateGroup === undefined || this.#table.indexOf(home) === host) return;
    const hosts = this.#gates.get(gateGroup) ?? new Map<number, number>();
    this.#gates.set(gateGroup, hosts.set(host, (hosts.get(host) ?? 0) + by));
  }

  /** Whether the slots in of a host would do for one more member of a gate group. */
  hasGateSlot(group: string, host: number): boolean {
    return (this.#gates.get(group)?.get(host) ?? 0) < this.#table.row(host).in.slots;
  }

  guestsOn(host: number): ReadonlySet<string> {
    return this.#guests[host] ?? new Set();
  }

  /** Hosts with members of a group, each with their ids. */
  membersOf(group: string): ReadonlyMap<number, ReadonlySet<string>> {
    return this.#groups.get(group) ?? new Map();
  }

  userOf(host: number, resource: string): string | undefined {
    return this.#resources.get(`${host} ${resource}`);
  }

  /** Whether a guest may come to one of its candidates now; `isGoing` knows hosts that empty. */
  fits(guest: Guest, host: number, isGoing: (host: number) => boolean): boolean {
    if (this.room(host) < guest.vm.memoryBytes) return false;
    return guest.isPlain || this.keepsRules(guest, host, isGoing);
  }

  /** Whether the rules about other guests allow it. */
  keepsRules(guest: Guest, host: number, isGoing: (host: number) => boolean): boolean {
    const { vm, apart, together } = guest;
    if (vm.resources.some((name) => (this.userOf(host, name) ?? vm.id) !== vm.id)) return false;
    if (vm.gateGroup !== undefined && !this.hasGateSlot(vm.gateGroup, host)) return false;
    for (const group of apart) {
      const here = this.membersOf(group).get(host);
      if (here !== undefined && !(here.size === 1 && here.has(vm.id))) return false;
    }
    for (const group of together) {
      for (const other of this.membersOf(group).keys()) {
        if (other !== host && !isGoing(other)) return false;
      }
    }
    return true;
  }

  /** Preferred rules that a guest would break on a host, for people. */
  brokenWishes(guest: Guest, host: number, table: HostTable): string[] {
    const { vm } = guest;
    const broken: string[] = [];
    const { id, labels } = table.row(host).host;
    for (const [name, value] of Object.entries(vm.preferredLabels)) {
      if (labels[name] !== value) broken.push(`${vm.id} prefers ${name}=${value}, ${id} is not`);
    }
    for (const { group, rule, strength } of vm.affinities) {
      if (strength === "required") continue;
      const members = this.membersOf(group);
      const here = [...(members.get(host) ?? [])].filter((member) => member !== vm.id);
      if (rule === "apart" && here.length > 0) {
        broken.push(`${vm.id} and ${here.join(", ")} share ${id} (preferred apart: ${group})`);
      }
      if (rule === "together" && here.length === 0 && members.size > 0) {
        broken.push(`${vm.id} is alone on ${id} (preferred together: ${group})`);
      }
    }
    return broken;
  }
}
