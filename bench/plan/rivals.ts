import type { Orders } from "../../core/plan/execution.ts";
import type { Move } from "../../core/plan/move.ts";

/** Who decides which migration begins; core's Execution is one, a rival's limits another. */
export type Starter = {
  prepared(move: Move): void;
  ended(move: Move): void;
  failed(move: Move): void;
  returned(host: number): void;
  next(): Orders;
};

/** Default limits of another system: migrations at once, and a cap of each one, B/s. */
export type Limits = {
  readonly out: number;
  readonly in: number;
  readonly all: number;
  readonly bytesPerSecond: number;
};

const none = Number.POSITIVE_INFINITY;

/**
 * Defaults as of 2026, from each project's source: KubeVirt's parallelMigrationsPerCluster 5 and
 * parallelOutboundMigrationsPerNode 2; oVirt's two migrations out and in at 52 MiB/s each; Nova's
 * max_concurrent_live_migrations 1; XAPI's ten VMs of an evacuation at once; Xen Orchestra's three.
 */
export const rivals: Readonly<Record<string, Limits>> = {
  kubevirt: { out: 2, in: none, all: 5, bytesPerSecond: none },
  ovirt: { out: 2, in: 2, all: none, bytesPerSecond: 52 * 2 ** 20 },
  nova: { out: 1, in: none, all: none, bytesPerSecond: none },
  xapi: { out: 10, in: none, all: none, bytesPerSecond: none },
  xenOrchestra: { out: 3, in: none, all: none, bytesPerSecond: none },
};

export const oneAtATime: Limits = { out: 1, in: 1, all: 1, bytesPerSecond: none };

/**
 * Starts migrations in the order of the list as far as the limits allow. The target is prepared when
 * the migration has its slot, as in these systems.
 */
export class RivalStarter implements Starter {
  readonly #limits: Limits;
  readonly #waiting: Set<Move>;
  readonly #out = new Map<number, number>();
  readonly #in = new Map<number, number>();
  #all = 0;
  #ready: Move[] = [];

  constructor(limits: Limits, moves: readonly Move[]) {
    this.#limits = limits;
    this.#waiting = new Set(moves);
  }

  prepared(move: Move): void {
    this.#ready.push(move);
  }

  ended({ source, target }: Move): void {
    this.#all -= 1;
    this.#out.set(source, (this.#out.get(source) ?? 1) - 1);
    this.#in.set(target, (this.#in.get(target) ?? 1) - 1);
  }

  failed(move: Move): void {
    this.ended(move);
    this.#waiting.add(move);
  }

  returned(): void {}

  next(): Orders {
    const prepare: Move[] = [];
    for (const move of this.#waiting) {
      if (this.#all >= this.#limits.all) break;
      const out = this.#out.get(move.source) ?? 0;
      const inward = this.#in.get(move.target) ?? 0;
      if (out >= this.#limits.out || inward >= this.#limits.in) continue;
      this.#all += 1;
      this.#out.set(move.source, out + 1);
      this.#in.set(move.target, inward + 1);
      this.#waiting.delete(move);
      prepare.push(move);
    }
    const start = this.#ready;
    this.#ready = [];
    return { prepare, start, emptied: [] };
  }
}
