import type { ModelEvent } from "../../rig/model-hosts.ts";

export type Limits = {
  readonly slotsOut: number;
  readonly slotsIn: number;
  /** Targets that a host may prepare beside those in transfer. */
  readonly placesIn: number;
  /** Guests that a host has memory for: all are of one size. */
  readonly room: number;
};

type Counted = { out: number; in: number; preparedIn: number; guests: number };

/**
 * Replays what has happened on the hosts, by nothing that the control plane says: no host sends or
 * receives more streams than it has slots, prepares more targets than it has places, or gives memory
 * to more guests than fit, and each guest moves from where it is.
 */
export class Replay {
  /** Limits that were exceeded. */
  readonly overshoots: string[] = [];
  /** Guests that were not where they had to be. */
  readonly misplaced: string[] = [];
  /** Most streams at once on one host, in one direction. */
  streamsMax = 0;
  /** Most prepared targets at once on one host that had not begun. */
  preparedMax = 0;
  readonly places = new Map<string, string>();
  readonly #limits: Limits;
  readonly #hosts = new Map<string, Counted>();
  readonly #sending = new Set<string>();

  constructor(log: readonly ModelEvent[], limits: Limits) {
    this.#limits = limits;
    for (const event of log) this.#apply(event);
    for (const vm of this.#sending) this.misplaced.push(`${vm} is still being sent`);
  }

  #apply({ is, vm, host, target = host }: ModelEvent): void {
    switch (is) {
      case "started":
        this.places.set(vm, host);
        this.#add(host, { guests: 1 });
        break;
      case "prepared":
        this.#add(host, { preparedIn: 1, guests: 1 });
        break;
      case "ended":
        this.#add(host, { preparedIn: -1, guests: -1 });
        break;
      case "begun":
        this.#begin(vm, host);
        this.#add(host, { out: 1 });
        this.#add(target, { in: 1, preparedIn: -1 });
        break;
      case "arrived":
        this.#sending.delete(vm);
        this.places.set(vm, target);
        this.#add(host, { out: -1, guests: -1 });
        this.#add(target, { in: -1 });
        break;
    }
  }

  #begin(vm: string, host: string): void {
    const at = this.places.get(vm);
    if (at !== host) this.misplaced.push(`${vm} is sent from ${host}, and runs on ${at}`);
    if (this.#sending.has(vm)) this.misplaced.push(`${vm} is sent twice at once`);
    this.#sending.add(vm);
  }

  #add(host: string, change: Partial<Counted>): void {
    const now = this.#hosts.get(host) ?? { out: 0, in: 0, preparedIn: 0, guests: 0 };
    for (const name of Object.keys(now) as (keyof Counted)[]) now[name] += change[name] ?? 0;
    this.#hosts.set(host, now);
    const { slotsOut, slotsIn, placesIn, room } = this.#limits;
    this.streamsMax = Math.max(this.streamsMax, now.out, now.in);
    this.preparedMax = Math.max(this.preparedMax, now.preparedIn);
    this.#limit(`streams out of ${host}`, now.out, slotsOut);
    this.#limit(`streams into ${host}`, now.in, slotsIn);
    // One that has its slots is prepared, too.
    this.#limit(`prepared targets on ${host}`, now.preparedIn, placesIn + slotsIn);
    this.#limit(`guests on ${host}`, now.guests, room);
  }

  #limit(what: string, count: number, limit: number): void {
    if (count > limit) this.overshoots.push(`${count} ${what}, ${limit} are allowed`);
  }
}
