import type { HostTable } from "./host-table.ts";
import type { BoundTerm, LowerBound } from "./lower-bound.ts";
import type { PlanOptions } from "./options.ts";
import type { Plan } from "./plan-result.ts";

const NAMES_MAX = 10;

export function shortList(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  return `${names.slice(0, NAMES_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Bytes for people: GiB with at most two decimals, or whole MiB. */
export function size(bytes: number): string {
  const gib = bytes / 2 ** 30;
  if (gib >= 1 || bytes === 0) return `${Math.round(gib * 100) / 100} GiB`;
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

export function gigabits(bytesPerSecond: number): string {
  return `${Math.round(bytesPerSecond * 8e-7) / 100} Gbit/s`;
}

export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

/** What a term of a lower bound is about. */
export function termText(term: BoundTerm, table: HostTable, options: PlanOptions): string {
  const { kind, host, vm } = term;
  if (kind === "links-in") return "the links in of all targets together";
  if (kind === "slots-in") return "the slots in of all targets together";
  if (kind === "hosts-at-once") return `${options.hostsAtOnce} hosts at once`;
  if (host === undefined) return kind;
  const { host: facts, in: inward, out } = table.row(host);
  switch (kind) {
    case "link-out":
      return `${facts.id}'s link out, ${gigabits(out.linkBytesPerSecond)}`;
    case "link-in":
      return `${facts.id}'s link in, ${gigabits(inward.linkBytesPerSecond)}`;
    case "target":
      return `${facts.id}'s link in, ${gigabits(inward.linkBytesPerSecond)}, with ${inward.slots} at once`;
    case "in-flight":
      return `the migration of ${vm}, which is in flight`;
    case "longest-move":
      return `the migration of ${vm} at ${gigabits(out.streamBytesPerSecond)} at most`;
    case "slots-out":
      return `${facts.id}'s slots out, ${out.slots} at ${gigabits(out.streamBytesPerSecond)} each`;
  }
}

const changes: Readonly<Record<BoundTerm["kind"], string>> = {
  "link-out": "a faster link out, or fewer VMs on that host",
  "link-in": "a faster link in, or another host that can take the same VMs",
  "links-in": "more targets, or faster links in",
  "longest-move": "a higher stream rate for that VM, or a time in which it writes less",
  "in-flight": "nothing: it has begun",
  target: "a faster link in, or more targets that can take its VMs",
  "hosts-at-once": "more hosts at once",
  "slots-out": "a stream rate that divides the link's, or a higher limit of slots",
  "slots-in": "more targets, or a stream rate that divides their links'",
};

/** What the longest term would need, and the lower bound by the other terms. */
export function fasterBy(
  { terms, ms, withSlotsMs }: LowerBound,
  table: HostTable,
  options: PlanOptions,
): Plan["faster"] {
  const [first] = terms;
  if (first === undefined) return [];
  // Better placements or slots cannot go below the bounds; a better link or VM gives the next term.
  const others = terms.filter(({ kind, host }) => kind !== first.kind || host !== first.host);
  const isOurs = first.kind === "slots-out" || first.kind === "slots-in";
  const nextMs = first.kind === "target" ? withSlotsMs : (others[0]?.ms ?? 0);
  const then = isOurs ? ms : nextMs;
  const change = `${termText(first, table, options)}: ${changes[first.kind]}`;
  return [{ change, lowerBoundMs: then }];
}
