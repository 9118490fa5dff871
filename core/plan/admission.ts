import { poolOf } from "./slots.ts";

/** What the table counts of a host, as admission needs it. */
export type HostCounts = {
  readonly slotsOut: number;
  readonly slotsIn: number;
  /** Migrations prepared ahead in each direction; undefined: 3 × slots + 2. */
  readonly prepareAhead?: number | undefined;
  /** Migrations that hold a transfer slot out of the host, and into it. */
  readonly outgoing: number;
  readonly incoming: number;
  /** Migrations that have a place in the preparing pool, and no slot yet. */
  readonly preparingOut: number;
  readonly preparingIn: number;
  readonly reservedBytes: number;
};

/** Fewer slots than the hosts' own, as the links' rates allow. */
export type SlotLimits = { readonly out: number; readonly in: number };

/** What of a host may be used up. */
export const limitKinds = ["out", "in", "preparingOut", "preparingIn", "memory"] as const;
export type LimitKind = (typeof limitKinds)[number];
/** Those of which a prepared migration has no use. */
export const preparingKinds = ["preparingOut", "preparingIn"] as const satisfies LimitKind[];

export type Ends = {
  readonly source: HostCounts;
  readonly target: HostCounts;
  readonly slotLimits?: SlotLimits | undefined;
};
export type Wish = Ends & {
  /** Of the guest. */
  readonly heldBytes: number;
  /** Memory that the target may give to guests. */
  readonly memoryBytes: number;
};

/** Places of both preparing pools. */
export function placesOf({ source, target, slotLimits }: Ends): SlotLimits {
  const own = slotsOf({ source, target, slotLimits });
  return {
    out: poolOf(own.out, source.prepareAhead),
    in: poolOf(own.in, target.prepareAhead),
  };
}

/** Transfer slots of both hosts. */
export function slotsOf({ source, target, slotLimits }: Ends): SlotLimits {
  return {
    out: Math.min(source.slotsOut, slotLimits?.out ?? Infinity),
    in: Math.min(target.slotsIn, slotLimits?.in ?? Infinity),
  };
}

/** A host that prepares nothing ahead has slots only. */
export function preparesAhead(ends: Ends): boolean {
  const places = placesOf(ends);
  return places.out > 0 && places.in > 0;
}

/** The transfer slots that are used up; undefined: both hosts have one. */
export function fullSlots(ends: Ends): "out" | "in" | undefined {
  const slots = slotsOf(ends);
  if (ends.source.outgoing >= slots.out) return "out";
  if (ends.target.incoming >= slots.in) return "in";
  return undefined;
}

/**
 * How a migration is admitted: `held`, with its transfer slots at once; `preparing`, with a place in
 * the preparing pools; or the limit that is used up. It gets its slots at once where that takes them
 * from nobody: where none is prepared ahead of it on either host.
 */
export function admissionOf(wish: Wish): "held" | "preparing" | LimitKind {
  const { source, target, heldBytes, memoryBytes } = wish;
  const full = fullSlots(wish);
  const isShort = target.reservedBytes + heldBytes > memoryBytes;
  if (!preparesAhead(wish)) return full ?? (isShort ? "memory" : "held");
  const isFirst = source.preparingOut === 0 && target.preparingIn === 0;
  if (full === undefined && isFirst) return isShort ? "memory" : "held";
  const places = placesOf(wish);
  if (source.preparingOut >= places.out) return "preparingOut";
  if (target.preparingIn >= places.in) return "preparingIn";
  return isShort ? "memory" : "preparing";
}
