import type { Move } from "./move.ts";

type Group = {
  readonly name: string;
  /** Not started. */
  readonly waiting: Set<Move>;
  /** Of them, prepared. */
  readonly ready: Set<Move>;
};

/**
 * VMs that switch over together. Each is held at its gate with a slot at both sides until all of them
 * are there, so the migrations of a group start together or not at all: two groups that hold half of
 * the slots each would wait for each other for ever. One group is prepared at a time for the same
 * reason.
 */
export class GateGroups {
  readonly #groups = new Map<string, Group>();
  #preparing: Group | undefined;

  add(move: Move): void {
    const { gateGroup } = move.guest.vm;
    if (gateGroup === undefined) return;
    this.#of(gateGroup).waiting.add(move);
  }

  /** The group that has all of its targets prepared, and waits for its slots. */
  get complete(): ReadonlySet<Move> | undefined {
    const group = this.#preparing;
    return group === undefined || group.ready.size < group.waiting.size ? undefined : group.waiting;
  }

  mayPrepare({ guest }: Move): boolean {
    const { gateGroup } = guest.vm;
    if (gateGroup === undefined || this.#preparing === undefined) return true;
    return this.#preparing.name === gateGroup;
  }

  preparing({ guest }: Move): void {
    const { gateGroup } = guest.vm;
    if (gateGroup !== undefined) this.#preparing = this.#of(gateGroup);
  }

  prepared(move: Move): void {
    const { gateGroup } = move.guest.vm;
    if (gateGroup !== undefined) this.#of(gateGroup).ready.add(move);
  }

  started(move: Move): void {
    const { gateGroup } = move.guest.vm;
    if (gateGroup === undefined) return;
    const group = this.#of(gateGroup);
    group.waiting.delete(move);
    group.ready.delete(move);
    if (group.waiting.size === 0) this.#preparing = undefined;
  }

  #of(name: string): Group {
    const group = this.#groups.get(name) ?? { name, waiting: new Set(), ready: new Set() };
    this.#groups.set(name, group);
    return group;
  }
}
