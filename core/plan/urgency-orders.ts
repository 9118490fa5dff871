import { bandEnd } from "./eta.ts";
import type { ExecutionInput } from "./execution.ts";
import type { HostTable } from "./host-table.ts";
import type { Move } from "./move.ts";

/** How many of a source's migrations are kept for its end, in pools: one order for each. */
const closingPools = [1, 2, 0, 3] as const;

/** How many orders `urgencyOrders` gives. */
export const ORDERS = 7;

/**
 * Orders that may be good, the safest first. Longest first, by the upper end of the band: a guest that
 * may turn out not to converge is not met at the end, and the short ones fill the gaps. Where
 * transfers are shorter than what it takes to prepare them, the short ones at the end wait for their
 * targets; then an even mix of long and short is better.
 */
export function* urgencyOrders({ moves, table, options }: ExecutionInput): Generator<Move[]> {
  const worst = new Map(moves.map((move) => [move, bandEnd(move, options, 1).slotMs]));
  const worstMs = (move: Move) => worst.get(move) ?? 0;
  const longest = moves.toSorted((one, other) => other.estimate.slotMs - one.estimate.slotMs);
  const cautious = longest.toSorted((one, other) => worstMs(other) - worstMs(one));
  yield kept(cautious);
  for (const pools of closingPools) yield kept(mixed(cautious, table, pools));
  yield kept(longest);
  yield kept(busiestFirst(longest, table));
}

/** The order with what no order may change. */
function kept(moves: Move[]): Move[] {
  return aloneLast(groupsTogether(moves));
}

/** What has to be alone waits for the others of its host anyway. */
function aloneLast(moves: Move[]): Move[] {
  const isAlone = ({ guest }: Move) => guest.vm.runsControlPlane;
  if (!moves.some(isAlone)) return moves;
  return [...moves.filter((move) => !isAlone(move)), ...moves.filter(isAlone)];
}

/** The members of a gate group are as urgent as the most urgent of them. */
function groupsTogether(moves: Move[]): Move[] {
  if (moves.every(({ guest }) => guest.vm.gateGroup === undefined)) return moves;
  const ranks = new Map<string, number>();
  const rankOf = ({ guest }: Move, index: number) => {
    const { gateGroup } = guest.vm;
    if (gateGroup === undefined) return index;
    const rank = ranks.get(gateGroup) ?? index;
    ranks.set(gateGroup, rank);
    return rank;
  };
  const ranked = moves.map((move, index) => ({ move, rank: rankOf(move, index) }));
  return ranked.toSorted((one, other) => one.rank - other.rank).map(({ move }) => move);
}

/** Migrations of the hosts whose slots are busy for the longest time first. */
function busiestFirst(moves: readonly Move[], table: HostTable): Move[] {
  const out = new Map<number, number>();
  const inward = new Map<number, number>();
  for (const { source, target, estimate } of moves) {
    out.set(source, (out.get(source) ?? 0) + estimate.slotMs / table.row(source).out.slots);
    inward.set(target, (inward.get(target) ?? 0) + estimate.slotMs / table.row(target).in.slots);
  }
  const busy = ({ source, target }: Move) =>
    Math.max(out.get(source) ?? 0, inward.get(target) ?? 0);
  return moves.toSorted((one, other) => busy(other) - busy(one));
}

/** Each source's migrations in an even mix; the sources keep step with each other. */
function mixed(moves: readonly Move[], table: HostTable, closing: number): Move[] {
  const ranks = new Map<Move, number>();
  for (const [source, own] of Map.groupBy(moves, (move) => move.source)) {
    const { pool } = table.row(source);
    const order = mixOf(own, { pool, closing });
    for (const [index, move] of order.entries()) ranks.set(move, index / order.length);
  }
  return moves.toSorted((one, other) => (ranks.get(one) ?? 0) - (ranks.get(other) ?? 0));
}

/**
 * One source's migrations: first a pool of those that are prepared quickly and take long, so that the
 * link is busy soon; at the end those that are prepared the quickest, as nothing hides their wait;
 * between them each stretch of a pool's size has long and short ones.
 */
function mixOf(moves: readonly Move[], { pool, closing }: { pool: number; closing: number }) {
  if (moves.length <= 2 * pool) return moves;
  const waitMs = ({ estimate }: Move) => estimate.prepareMs - estimate.slotMs;
  const prepareMs = ({ estimate }: Move) => estimate.prepareMs;
  const ascending = (list: Iterable<Move>, value: (move: Move) => number) =>
    [...list].toSorted((one, other) => value(one) - value(other));
  const first = new Set(ascending(moves, waitMs).slice(0, pool));
  const lastCount = Math.min(closing * pool, Math.floor(moves.length / 2));
  const last = new Set(
    ascending(
      moves.filter((move) => !first.has(move)),
      prepareMs,
    ).slice(0, lastCount),
  );
  const middle = moves.filter((move) => !first.has(move) && !last.has(move));
  return [
    ...ascending(first, prepareMs),
    ...spread(middle, pool),
    ...ascending(last, prepareMs).toReversed(),
  ];
}

/** Of a sorted list: each stretch of `size` entries has some of all parts of the list. */
function spread(sorted: readonly Move[], size: number): Move[] {
  const columns = Math.ceil(sorted.length / size);
  const column = (first: number) => sorted.filter((_, index) => index % columns === first);
  return Array.from({ length: columns }, (_, first) => column(first)).flat();
}
