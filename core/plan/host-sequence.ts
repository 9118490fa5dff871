import type { PlanOptions } from "./options.ts";

type Limits = Pick<PlanOptions, "canaryHosts" | "ramp" | "hostsAtOnce">;

/**
 * In which order hosts begin to be emptied: canaries first, then the steps of the ramp, each when
 * the hosts before it are done, then as many at once as the options allow. A host is done when it is
 * empty, and back if it comes back; one of which guests remain is done when nothing of it moves.
 */
export class HostSequence {
  readonly #order: readonly number[];
  readonly #steps: readonly number[];
  readonly #atOnce: number;
  readonly #before: number;
  #begun = 0;
  #done = 0;

  /** @param before hosts of the plan that were done earlier, and are not in the order */
  constructor(order: readonly number[], { canaryHosts, ramp, hostsAtOnce }: Limits, before = 0) {
    this.#order = order;
    this.#before = before;
    const steps = [canaryHosts, ...ramp].filter((size) => size > 0);
    this.#steps = steps;
    this.#atOnce = hostsAtOnce === 0 ? Number.POSITIVE_INFINITY : hostsAtOnce;
  }

  /** Hosts that begin now. */
  begin(): readonly number[] {
    const first = this.#begun;
    this.#begun = Math.min(this.#order.length, Math.max(first, this.#limit()));
    return this.#order.slice(first, this.#begun);
  }

  done(): void {
    this.#done += 1;
  }

  /** How many hosts may have begun by now. */
  #limit(): number {
    const done = this.#before + this.#done;
    let before = 0;
    for (const size of this.#steps) {
      if (done < before + size) return before + size - this.#before;
      before += size;
    }
    return this.#done + this.#atOnce;
  }
}

/** Position of the last host that is sure to be done when the host at a position begins; -1: none. */
export function doneBefore(position: number, { canaryHosts, ramp, hostsAtOnce }: Limits): number {
  let before = 0;
  for (const size of [canaryHosts, ...ramp].filter((step) => step > 0)) {
    if (position < before + size) return before - 1;
    before += size;
  }
  return hostsAtOnce === 0 ? before - 1 : Math.max(before - 1, position - hostsAtOnce);
}
