import { type AssignInput, type Assignment, isTarget } from "./assignment.ts";
import { type Move, moveOf } from "./move.ts";
import { place } from "./place.ts";
import type { PlaceContext } from "./place-context.ts";
import { Rolling } from "./rolling.ts";

/** Hosts that come back may take the guests of later ones: then the order decides what is possible. */
export function assign(input: AssignInput): Assignment {
  return input.options.returnAfterMs === undefined ? assignAll(input) : new Rolling(input).run();
}

/** All targets are outside the plan: each VM moves once, in whatever order. */
function assignAll(input: AssignInput): Assignment {
  const { table, occupancy, going, accept } = input;
  const context: PlaceContext = {
    table,
    occupancy,
    isOpen: (host) => isTarget(table, host) && !table.row(host).isEmptied,
    isGoing: (host) => table.row(host).isEmptied,
    loads: new Float64Array(table.rows.length),
    ...(accept === undefined ? {} : { accept }),
  };
  const { hosts, unplaced } = place([...going.values()].flat(), context);
  const moves = [...hosts].map(([guest, target]) =>
    moveOf(guest, target, table, {
      brokenWishes: guest.hasWishes ? occupancy.brokenWishes(guest, target, table) : [],
    }),
  );
  const keeping = new Set([...input.keeping, ...unplaced.map(({ source }) => source)]);
  return { order: orderOf(input, moves), moves, unplaced, keeping, returning: new Set() };
}

/** Canaries: the hosts with the fewest guests. Then the host that takes longest first. */
function orderOf({ table, options, going }: AssignInput, moves: readonly Move[]): number[] {
  const work = new Map<number, number>();
  for (const { source, estimate } of moves) {
    const share = estimate.slotMs / table.row(source).out.slots;
    work.set(source, (work.get(source) ?? 0) + share);
  }
  const hosts = [...going.keys()];
  const count = (host: number) => going.get(host)?.length ?? 0;
  const canaries = hosts
    .toSorted((one, other) => count(one) - count(other) || one - other)
    .slice(0, options.canaryHosts);
  const others = hosts
    .filter((host) => !canaries.includes(host))
    .toSorted((one, other) => (work.get(other) ?? 0) - (work.get(one) ?? 0) || one - other);
  return [...canaries, ...others];
}
