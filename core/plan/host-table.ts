import type { HostId } from "../id.ts";
import type { Blocker } from "../negotiate/agreement.ts";
import { hostBlockers } from "./host-blockers.ts";
import type { PlanOptions } from "./options.ts";
import { type Direction, inbound, outbound } from "./slots.ts";
import type { PlanHost } from "./snapshot.ts";

/** A host with what the planner has worked out about it. */
export type HostRow = {
  readonly host: PlanHost;
  readonly out: Direction;
  readonly in: Direction;
  /** It is to be emptied by this plan. */
  readonly isEmptied: boolean;
  /** Why no guest may come to it, whoever the guest is. */
  readonly blockers: readonly Blocker[];
};

/** The hosts of a snapshot in its order; elsewhere a host is its index in `rows`. */
export class HostTable {
  readonly rows: readonly HostRow[];
  readonly #indexes: ReadonlyMap<string, number>;

  /** @throws RangeError when a host to be emptied is not in the list. */
  constructor(hosts: readonly PlanHost[], options: PlanOptions) {
    const emptied = new Set<string>(options.empty);
    const known = new Set<string>(hosts.map(({ id }) => id));
    for (const [index, id] of options.empty.entries()) {
      if (known.has(id)) continue;
      throw new RangeError(
        `Expected \`empty.${index}\` to be a host of the snapshot, got \`${id}\``,
      );
    }
    this.rows = hosts.map((host) => ({
      host,
      out: outbound(host, options),
      in: inbound(host, options),
      isEmptied: emptied.has(host.id),
      blockers: hostBlockers(host, emptied.has(host.id)),
    }));
    this.#indexes = new Map(hosts.map(({ id }, index) => [id, index]));
  }

  row(index: number): HostRow {
    const row = this.rows[index];
    if (row === undefined) throw new RangeError(`Expected a host's index, got ${index}`);
    return row;
  }

  indexOf(id: HostId): number {
    const index = this.#indexes.get(id);
    if (index === undefined) throw new RangeError(`Expected a host of the snapshot, got \`${id}\``);
    return index;
  }

  /** The index of a host, or undefined: the snapshot does not have it. */
  find(id: HostId): number | undefined {
    return this.#indexes.get(id);
  }

  /** Rate of a migration between two hosts, B/s. */
  rate(source: number, target: number): number {
    const out = this.row(source).out.streamBytesPerSecond;
    return Math.min(out, this.row(target).in.streamBytesPerSecond);
  }
}
