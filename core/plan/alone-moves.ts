import type { Move } from "./move.ts";

/**
 * The migration of a VM in which the control plane runs: while it is underway nothing else is, as
 * nobody answers the others during its downtime. It waits until nothing is being prepared or sent.
 */
export class AloneMoves {
  /** Sources of those that have not begun. */
  readonly #waiting = new Map<Move, number>();
  #underway = 0;
  #current: Move | undefined;
  #hasEnded = false;

  add(move: Move): void {
    if (move.guest.vm.runsControlPlane) this.#waiting.set(move, move.source);
  }

  /** Sources to look at again: nothing is underway. */
  get waitingSources(): Iterable<number> {
    return this.#underway === 0 ? this.#waiting.values() : [];
  }

  mayPrepare({ guest }: Move): boolean {
    if (this.#current !== undefined) return false;
    return !guest.vm.runsControlPlane || this.#underway === 0;
  }

  preparing(move: Move): void {
    this.#underway += 1;
    if (!move.guest.vm.runsControlPlane) return;
    this.#current = move;
    this.#waiting.delete(move);
  }

  /** A migration that was prepared has ended, well or not. */
  ended(move: Move): void {
    this.#underway -= 1;
    if (move !== this.#current) return;
    this.#current = undefined;
    this.#hasEnded = true;
  }

  /** Migrations outside the plan begin or end. */
  count(change: 1 | -1): void {
    this.#underway += change;
  }

  /** Whether one has ended since the last call: the others may go on. */
  takeEnded(): boolean {
    const hasEnded = this.#hasEnded;
    this.#hasEnded = false;
    return hasEnded;
  }
}
