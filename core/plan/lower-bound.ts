import type { Held } from "./execution.ts";
import type { HostTable } from "./host-table.ts";
import type { Move } from "./move.ts";
import type { PlanOptions } from "./options.ts";
import { leastOf, sum } from "./sums.ts";

/** Something that takes at least so long, ms, whatever the order of the migrations is. */
export type BoundTerm = {
  readonly kind:
    | "link-out"
    | "link-in"
    | "links-in"
    | "longest-move"
    | "hosts-at-once"
    | "in-flight"
    | "slots-out"
    | "slots-in"
    /** Not a bound of every plan: the slots in of a host, with the placements of this one. */
    | "target";
  readonly ms: number;
  /** Index of the host, where it is one host's. */
  readonly host?: number;
  readonly vm?: string;
};

export type LowerBound = {
  /** By links, the longest migration and the hosts at once: no schedule ends before, ms. */
  readonly ms: number;
  /** The same with the slots that the rates lead to, which are a choice, ms. */
  readonly withSlotsMs: number;
  /** The longest first. */
  readonly terms: readonly BoundTerm[];
};

type BoundInput = {
  readonly table: HostTable;
  readonly options: PlanOptions;
  /** Hosts of which guests remain: they do not come back. */
  readonly keeping: ReadonlySet<number>;
  /** Migrations in flight from the hosts to be emptied. */
  readonly held: readonly Held[];
};

/**
 * No evacuation with these migrations ends earlier: each link has to carry the bytes of the
 * migrations that use it, each at the best rate that it can get; the longest one has to be prepared
 * and takes its time; and of the links in, which the planner chooses between, all together count. One migration has to be
 * prepared before the first starts; so has one of each host before anything leaves it.
 */
export function lowerBound(
  moves: readonly Move[],
  { table, options, keeping, held }: BoundInput,
): LowerBound {
  const flying = held.filter(({ source }) => table.row(source).isEmptied && !keeping.has(source));
  const inFlight: BoundTerm[] = flying.map(({ source, vm, endsInMs }) => ({
    kind: "in-flight",
    host: source,
    vm,
    ms: endsInMs,
  }));
  if (moves.length === 0) return boundOf(inFlight, 0);
  const best = moves.map((move) => ({ move, estimate: bestEstimate(move, table) }));
  const bySource = Map.groupBy(best, ({ move }) => move.source);
  const firstMs = leastOf(moves, ({ estimate }) => estimate.prepareMs);
  const terms: BoundTerm[] = [];
  const hostMs = new Map<number, number>();
  for (const [host, list] of bySource) {
    const { out } = table.row(host);
    const linkMs = (sum(list, ({ estimate }) => estimate.bytes) / out.linkBytesPerSecond) * 1000;
    const slotsMs = sum(list, ({ estimate }) => estimate.slotMs) / out.slots;
    const waitMs = leastOf(list, ({ move }) => move.estimate.prepareMs) - firstMs;
    terms.push({ kind: "link-out", host, ms: linkMs + waitMs });
    terms.push({ kind: "slots-out", host, ms: slotsMs + waitMs });
    hostMs.set(host, Math.max(linkMs, ...list.map(({ estimate }) => estimate.slotMs)));
  }
  const wholeMs = ({ move, estimate }: Best) => move.estimate.prepareMs + estimate.slotMs;
  const longest = best.reduce((one, other) => (wholeMs(other) > wholeMs(one) ? other : one));
  terms.push({
    kind: "longest-move",
    vm: longest.move.guest.vm.id,
    host: longest.move.source,
    ms: wholeMs(longest) - firstMs,
  });
  terms.push(...inwardTerms(best, table), ...atOnceTerms(hostMs, options, keeping));
  // What is in flight does not wait for the first one to be prepared.
  terms.push(...inFlight.map((term) => ({ ...term, ms: term.ms - firstMs })));
  return boundOf(terms, firstMs);
}

/** @param firstMs comes before all terms */
function boundOf(terms: readonly BoundTerm[], firstMs: number): LowerBound {
  const most = (list: readonly BoundTerm[]) => list.reduce((ms, term) => Math.max(ms, term.ms), 0);
  const bounds = terms.filter(({ kind }) => kind !== "target");
  const physical = bounds.filter(({ kind }) => kind !== "slots-out" && kind !== "slots-in");
  return {
    ms: most(physical) + firstMs,
    withSlotsMs: most(bounds) + firstMs,
    terms: terms.toSorted((one, other) => other.ms - one.ms),
  };
}

type Best = { readonly move: Move; readonly estimate: Move["estimate"] };

function inwardTerms(best: readonly Best[], table: HostTable): BoundTerm[] {
  const terms: BoundTerm[] = [];
  const lists = new Set(best.map(({ move }) => move.guest.candidates));
  const targets = new Set([...lists].flat());
  for (const { move } of best) targets.add(move.target);
  const rows = [...targets].map((host) => table.row(host));
  const bytes = sum(best, ({ estimate }) => estimate.bytes);
  const slotMs = sum(best, ({ estimate }) => estimate.slotMs);
  const links = sum(rows, (row) => row.in.linkBytesPerSecond);
  terms.push({ kind: "links-in", ms: (bytes / links) * 1000 });
  terms.push({ kind: "slots-in", ms: slotMs / sum(rows, (row) => row.in.slots) });
  for (const [host, list] of Map.groupBy(best, ({ move }) => move.target)) {
    const ms = sum(list, ({ move }) => move.estimate.slotMs) / table.row(host).in.slots;
    terms.push({ kind: "target", host, ms });
  }
  const bound = best.filter(({ move }) => move.guest.candidates.length === 1);
  for (const [host, list] of Map.groupBy(bound, ({ move }) => move.target)) {
    const link = table.row(host).in.linkBytesPerSecond;
    const ms = (sum(list, ({ estimate }) => estimate.bytes) / link) * 1000;
    terms.push({ kind: "link-in", host, ms });
  }
  return terms;
}

/** With at most so many hosts at once, their times and the maintenance of all but the last add up. */
function atOnceTerms(
  hostMs: ReadonlyMap<number, number>,
  options: PlanOptions,
  keeping: ReadonlySet<number>,
): BoundTerm[] {
  const { hostsAtOnce, canaryHosts, ramp, returnAfterMs = 0 } = options;
  if (hostsAtOnce === 0) return [];
  const width = Math.max(hostsAtOnce, canaryHosts, ...ramp);
  const returning = [...hostMs.keys()].filter((host) => !keeping.has(host)).length;
  const pauses = Math.max(0, returning - width) * returnAfterMs;
  return [{ kind: "hosts-at-once", ms: (sum([...hostMs.values()], (ms) => ms) + pauses) / width }];
}

/** The migration at the best rate that any of the VM's candidates offers. */
function bestEstimate({ guest, source, target }: Move, table: HostTable): Move["estimate"] {
  const out = table.row(source).out.streamBytesPerSecond;
  let rate = table.rate(source, target);
  for (const host of guest.candidates) {
    if (rate >= out) break;
    rate = Math.max(rate, table.rate(source, host));
  }
  return guest.estimate(rate);
}
