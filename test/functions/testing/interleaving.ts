import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate } from "node:timers/promises";
import type { Random } from "../../../core/plan/random.ts";
import type { InProcessTransport } from "../../../emulators/aws/aws-json/in-process-transport.ts";

type Transport = Pick<InProcessTransport, "handle">;
type Held = {
  readonly actor: Actor;
  readonly isWrite: boolean;
  readonly go: () => void;
  readonly die: () => void;
};
type Actor = { readonly name: string; isDead: boolean };

/** Turns of the event loop in which further requests of the same actor may still come. */
const SETTLED_TURNS = 3;

/** What a request is answered with whose actor has died: nobody sees it. */
class ActorDied extends Error {
  override name = "ActorDied";
}

/**
 * Runs actors at the same time and lets one request to the table through at a time: which one is
 * drawn. An actor may die at each of its requests.
 */
export class Interleaving {
  readonly #actors = new AsyncLocalStorage<Actor>();
  readonly #held = new Set<Held>();
  #isOn = false;

  /** The same transport; requests of actors wait until they are drawn. */
  readonly observe = (transport: Transport): Transport => ({
    handle: async (request) => {
      const actor = this.#actors.getStore();
      if (actor === undefined || !this.#isOn) return transport.handle(request);
      if (actor.isDead) throw new ActorDied();
      await new Promise<void>((resolve, reject) => {
        const held: Held = {
          actor,
          isWrite: !/\.(Get|BatchGet|Query)/.test(request.headers["x-amz-target"] ?? ""),
          go: () => this.#held.delete(held) && resolve(),
          die: () => this.#held.delete(held) && reject(new ActorDied()),
        };
        this.#held.add(held);
      });
      return transport.handle(request);
    },
  });

  /**
   * Runs all actors to their ends.
   *
   * @param draw what is drawn; `deathRate` of the requests are the last ones of their actors
   * @param onWrite called after each write
   * @returns the names of those that died
   */
  async run(
    actors: ReadonlyMap<string, () => Promise<unknown>>,
    draw: Random & { readonly deathRate: number },
    onWrite: () => Promise<void>,
  ): Promise<string[]> {
    this.#isOn = true;
    const dead: string[] = [];
    const failures: unknown[] = [];
    const running = new Set<Actor>();
    for (const [name, act] of actors) {
      const actor: Actor = { name, isDead: false };
      running.add(actor);
      void this.#actors
        .run(actor, act)
        .catch((error: unknown) => void (actor.isDead || failures.push(error)))
        .finally(() => running.delete(actor));
    }
    while (running.size > 0) {
      await this.#settle(running);
      const held = [...this.#held];
      const [first, ...rest] = held;
      if (first === undefined) continue;
      const next = draw.pick([first, ...rest]);
      if (draw.next() < draw.deathRate) {
        dead.push(next.actor.name);
        next.actor.isDead = true;
        for (const one of held) if (one.actor === next.actor) one.die();
        continue;
      }
      next.go();
      await this.#settle(running);
      if (next.isWrite) await onWrite();
    }
    this.#isOn = false;
    if (failures.length > 0) throw new AggregateError(failures, String(failures[0]));
    return dead;
  }

  /** Until each actor that runs waits for a request. */
  async #settle(running: ReadonlySet<Actor>): Promise<void> {
    let turns = 0;
    let count = -1;
    while (turns < SETTLED_TURNS) {
      await setImmediate();
      const waiting = new Set([...this.#held].map(({ actor }) => actor));
      const isQuiet = [...running].every((actor) => waiting.has(actor));
      turns = isQuiet && count === this.#held.size ? turns + 1 : 0;
      count = this.#held.size;
    }
  }
}
