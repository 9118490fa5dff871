import { poolOf } from "./slots.ts";
import { assumedRate } from "./stream-rate.ts";

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
  /** Speed of its link, B/s; undefined: nobody knows it. */
  readonly linkOut?: number | undefined;
  readonly linkIn?: number | undefined;
  /** What those that hold slots may send together, B/s. */
  readonly rateOut: number;
  readonly rateIn: number;
  readonly reservedBytes: number;
};

/** What the table counts of a tenant, over all hosts. */
export type TenantCounts = {
  /** Migrations that may hold slots at once, and as many more that may be prepared; undefined: any. */
  readonly limit?: number | undefined;
  readonly transferring: number;
  readonly preparing: number;
};

/** Fewer slots than the hosts' own, as the links' rates allow. */
export type SlotLimits = { readonly out: number; readonly in: number };

/** What of a host may be used up. */
export const hostKinds = [
  "out",
  "rateOut",
  "in",
  "rateIn",
  "preparingOut",
  "preparingIn",
  "memory",
] as const;
export type HostKind = (typeof hostKinds)[number];
/** What of a tenant may be used up. */
export const tenantKinds = ["tenant", "preparingTenant"] as const;
export type TenantKind = (typeof tenantKinds)[number];
export type LimitKind = HostKind | TenantKind;
/** Those of the source; the others of a host are the target's. */
export const sourceKinds: readonly HostKind[] = ["out", "rateOut", "preparingOut"];
/** Those of which one migration needs as much as any other. */
export const alikeKinds: readonly LimitKind[] = [
  "out",
  "in",
  "preparingOut",
  "preparingIn",
  ...tenantKinds,
];
/** Those of which a prepared migration has no use. */
export const preparingKinds = ["preparingOut", "preparingIn"] as const satisfies HostKind[];

export function isTenantKind(kind: LimitKind): kind is TenantKind {
  return (tenantKinds as readonly LimitKind[]).includes(kind);
}

export function isSourceKind(kind: LimitKind): boolean {
  return (sourceKinds as readonly LimitKind[]).includes(kind);
}

export type Ends = {
  readonly source: HostCounts;
  readonly target: HostCounts;
  /** Of the VM's tenant, if it has one. */
  readonly tenant?: TenantCounts | undefined;
  readonly slotLimits?: SlotLimits | undefined;
  /** What the migration may send, B/s. */
  readonly rateBytesPerSecond?: number | undefined;
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

/**
 * What is used up of slots, links and the tenant's limit; undefined: both hosts have a slot, their
 * links the rate, and the tenant may have one more.
 */
export function fullSlots(ends: Ends): LimitKind | undefined {
  const { source, target, rateBytesPerSecond: rate = 0 } = ends;
  const slots = slotsOf(ends);
  if (source.outgoing >= slots.out) return "out";
  if (isOver(source.rateOut, rate, source.linkOut)) return "rateOut";
  if (target.incoming >= slots.in) return "in";
  if (isOver(target.rateIn, rate, target.linkIn)) return "rateIn";
  if (ends.tenant !== undefined && isAt(ends.tenant.limit, ends.tenant.transferring)) {
    return "tenant";
  }
  return undefined;
}

function isAt(limit: number | undefined, count: number): boolean {
  return limit !== undefined && count >= limit;
}

/** A link that nobody uses takes any one stream: QEMU then sends as fast as the link is. */
export function isOver(used: number, rate: number, link: number | undefined): boolean {
  return link !== undefined && used > 0 && used + rate > link;
}

/**
 * What a migration takes of both links, B/s: what it is limited to, and never more than they carry.
 * Without a limit it shares each link with those that may have the other slots, as TCP does: slots
 * alone then say how many send at one time, so the members of a gated group can all hold.
 *
 * @param limit 0 or undefined: none
 */
export function rateOf(
  { source, target }: Pick<Ends, "source" | "target">,
  limit: number | undefined,
): number {
  const { linkOut = Infinity, slotsOut } = source;
  const { linkIn = Infinity, slotsIn } = target;
  const isLimited = limit !== undefined && limit > 0;
  const rate = isLimited
    ? Math.min(limit, linkOut, linkIn)
    : assumedRate([linkOut / slotsOut, linkIn / slotsIn]);
  // Rounded down: streams that fit a link by the planner's rule must fit here.
  return Math.max(1, Math.floor(rate));
}

/**
 * How a migration is admitted: `held`, with its transfer slots at once; `preparing`, with a place in
 * the preparing pools; or the limit that is used up. It gets its slots at once where that takes them
 * from nobody: where none is prepared ahead of it on either host, nor of its tenant if that is limited.
 */
export function admissionOf(wish: Wish): "held" | "preparing" | LimitKind {
  const { source, target, tenant, heldBytes, memoryBytes } = wish;
  const full = fullSlots(wish);
  const isShort = target.reservedBytes + heldBytes > memoryBytes;
  if (!preparesAhead(wish)) return full ?? (isShort ? "memory" : "held");
  const isFirst =
    source.preparingOut === 0 &&
    target.preparingIn === 0 &&
    (tenant?.limit === undefined || tenant.preparing === 0);
  if (full === undefined && isFirst) return isShort ? "memory" : "held";
  const places = placesOf(wish);
  if (source.preparingOut >= places.out) return "preparingOut";
  if (target.preparingIn >= places.in) return "preparingIn";
  if (tenant !== undefined && isAt(tenant.limit, tenant.preparing)) return "preparingTenant";
  return isShort ? "memory" : "preparing";
}
