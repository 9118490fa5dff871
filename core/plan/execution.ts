import { Dispatcher, type HasTime } from "./dispatch.ts";
import { HostSequence } from "./host-sequence.ts";
import type { HostTable } from "./host-table.ts";
import type { Move } from "./move.ts";
import type { PlanOptions } from "./options.ts";

/** A migration that is in flight when the plan begins. */
export type Held = {
  readonly source: number;
  readonly target: number;
  readonly endsInMs: number;
  /** Its VM; one that arrives at a host to be emptied moves on from there. */
  readonly vm: string;
  readonly tenant?: string | undefined;
};

export type ExecutionInput = {
  readonly table: HostTable;
  readonly options: PlanOptions;
  /** The most urgent first. */
  readonly moves: readonly Move[];
  /** Hosts to be emptied, in the order in which they begin. */
  readonly order: readonly number[];
  /** Of them, those of which guests remain: they do not come back. */
  readonly keeping: ReadonlySet<number>;
  readonly held: readonly Held[];
  /** Hosts that this plan has emptied and that take guests again; `order` does not have them. */
  readonly returned?: ReadonlySet<number>;
};

export type Orders = {
  readonly prepare: readonly Move[];
  readonly start: readonly Move[];
  /** Hosts whose last guest has gone. */
  readonly emptied: readonly number[];
};

/**
 * A plan while it is carried out, without a clock: what happens goes in, what is to be done comes
 * out. The predicted schedule and every real or simulated run are made by the same decisions.
 */
export class Execution {
  readonly #dispatcher: Dispatcher;
  readonly #sequence: HostSequence;
  readonly #keeping: ReadonlySet<number>;
  readonly #begun = new Set<number>();
  readonly #comesBack: boolean;
  /** Migrations that have not ended, those in flight at the beginning among them, by source. */
  readonly #left: Map<number, number>;
  readonly #arriving: ReadonlySet<string>;
  readonly #waiting = new Map<string, Move[]>();
  #emptied: number[] = [];

  constructor({ table, options, moves, order, keeping, held, returned }: ExecutionInput) {
    this.#dispatcher = new Dispatcher(table, options.tenantLimits);
    this.#sequence = new HostSequence(order, options, returned?.size);
    for (const host of returned ?? []) this.#dispatcher.returned(host);
    this.#keeping = keeping;
    this.#comesBack = options.returnAfterMs !== undefined;
    this.#left = new Map(order.map((host) => [host, 0]));
    for (const { source } of moves) this.#left.set(source, (this.#left.get(source) ?? 0) + 1);
    for (const one of held) {
      this.#dispatcher.hold(one, 1);
      // Its guest is on the source until it ends.
      const left = this.#left.get(one.source);
      if (left !== undefined) this.#left.set(one.source, left + 1);
    }
    this.#arriving = new Set(held.map(({ vm }) => vm));
    const isArriving = ({ guest, after }: Move) =>
      after === undefined && this.#arriving.has(guest.vm.id);
    for (const move of moves.filter(isArriving)) {
      const list = this.#waiting.get(move.guest.vm.id) ?? [];
      this.#waiting.set(move.guest.vm.id, [...list, move]);
    }
    this.#dispatcher.add(moves.filter((move) => !isArriving(move)));
  }

  prepared(move: Move): void {
    this.#dispatcher.prepared(move);
  }

  ended(move: Move): void {
    this.#dispatcher.ended(move);
    this.#countDown(move.source);
  }

  /** It is tried again; how often is the caller's business. */
  failed(move: Move): void {
    this.#dispatcher.failed(move);
  }

  returned(host: number): void {
    this.#dispatcher.returned(host);
    this.#sequence.done();
  }

  /** A migration that was in flight at the beginning has ended. */
  released(held: Held): void {
    this.#dispatcher.hold(held, -1);
    this.#dispatcher.add(this.#waiting.get(held.vm) ?? []);
    this.#waiting.delete(held.vm);
    this.#countDown(held.source);
  }

  windowOpened(): void {
    this.#dispatcher.windowOpened();
  }

  /** What has become possible since the last call. */
  next(hasTime?: HasTime): Orders {
    for (let begun = this.#sequence.begin(); begun.length > 0; begun = this.#sequence.begin()) {
      for (const host of begun) {
        this.#begun.add(host);
        this.#dispatcher.openSource(host);
        if (this.#left.get(host) === 0) this.#finish(host);
      }
    }
    const emptied = this.#emptied;
    this.#emptied = [];
    return { ...this.#dispatcher.next(hasTime), emptied };
  }

  /** A guest has left a host; of a host that has not begun, nothing follows from it yet. */
  #countDown(host: number): void {
    const left = this.#left.get(host);
    if (left === undefined) return;
    this.#left.set(host, left - 1);
    if (left === 1 && this.#begun.has(host)) this.#finish(host);
  }

  #finish(host: number): void {
    const isEmpty = !this.#keeping.has(host);
    if (isEmpty) this.#emptied.push(host);
    if (!isEmpty || !this.#comesBack) this.#sequence.done();
  }
}
