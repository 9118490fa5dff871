import type { FleetSnapshot } from "../../core/plan/snapshot.ts";
import type { Entry } from "./simulate.ts";

/** A stretch of time in which something is used, ms. */
type Use = { readonly from: number; readonly to: number; readonly amount: number };

export type Violation = { readonly host: string; readonly what: string; readonly at: number };

/** Less than any amount that matters: rates and times are doubles. */
const ROUNDING = 1e-6;

/**
 * Looks for a limit that was exceeded, in code that shares nothing with the planner: slots and rates
 * of each link, memory of each host from preparing to the end, and each VM in one place.
 */
export function checkLog(
  log: readonly Entry[],
  snapshot: FleetSnapshot,
  streamBytesPerSecond: number,
): Violation[] {
  const found: Violation[] = [];
  for (const [index, host] of snapshot.hosts.entries()) {
    const out = log.filter(({ move }) => move.source === index);
    const inward = log.filter(({ move }) => move.target === index);
    const { linkOutBytesPerSecond: outRate = 0, linkInBytesPerSecond: inRate = 0 } = host;
    const check = (what: string, limit: number, uses: readonly Use[], start = 0) => {
      const at = firstOver(uses, limit, start);
      if (at !== undefined) found.push({ host: host.id, what, at });
    };
    check(
      "slots out",
      slots(outRate, streamBytesPerSecond),
      out.map((entry) => slotUse(entry, 1)),
    );
    check(
      "slots in",
      slots(inRate, streamBytesPerSecond),
      inward.map((entry) => slotUse(entry, 1)),
    );
    check(
      "link out",
      outRate,
      out.map((entry) => slotUse(entry, entry.move.estimate.bytesPerSecond)),
    );
    check(
      "link in",
      inRate,
      inward.map((entry) => slotUse(entry, entry.move.estimate.bytesPerSecond)),
    );
    check("memory", host.memoryBytes, memoryUses(log, index), residentBytes(snapshot, host.id));
  }
  return found;
}

/** VMs that were on two hosts, or moved from where they were not. */
export function checkPlaces(log: readonly Entry[], snapshot: FleetSnapshot): string[] {
  const places = new Map<string, string>(snapshot.vms.map(({ id, host }) => [id, host]));
  const found: string[] = [];
  for (const { move, ended } of log.toSorted((one, other) => one.endAt - other.endAt)) {
    const { id } = move.guest.vm;
    if (places.get(id) !== snapshot.hosts[move.source]?.id) found.push(id);
    if (ended === "completed") places.set(id, snapshot.hosts[move.target]?.id ?? "");
  }
  return found;
}

function slots(link: number, stream: number): number {
  return Math.max(1, Math.floor(link / stream + ROUNDING));
}

function slotUse({ startAt, endAt }: Entry, amount: number): Use {
  return { from: startAt, to: endAt, amount };
}

function memoryUses(log: readonly Entry[], host: number): Use[] {
  return log.flatMap(({ move, prepareAt, endAt, ended }) => {
    const amount = move.guest.vm.memoryBytes;
    const until = ended === "completed" ? Number.POSITIVE_INFINITY : endAt;
    const uses: Use[] = [];
    if (move.target === host) uses.push({ from: prepareAt, to: until, amount });
    if (move.source === host && ended === "completed") {
      uses.push({ from: endAt, to: Number.POSITIVE_INFINITY, amount: -amount });
    }
    return uses;
  });
}

function residentBytes({ vms }: FleetSnapshot, host: string): number {
  return vms.filter((vm) => vm.host === host).reduce((sum, vm) => sum + vm.memoryBytes, 0);
}

/** When the amounts in use first exceed a limit; what ends at a time makes room for what begins. */
function firstOver(uses: readonly Use[], limit: number, start: number): number | undefined {
  const changes = uses.flatMap(({ from, to, amount }) => [
    { at: from, amount },
    { at: to, amount: -amount },
  ]);
  changes.sort((one, other) => one.at - other.at || one.amount - other.amount);
  let used = start;
  for (const { at, amount } of changes) {
    used += amount;
    if (used > limit * (1 + ROUNDING) && at !== Number.POSITIVE_INFINITY) return at;
  }
  return undefined;
}
