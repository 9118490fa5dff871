import { expect } from "vitest";
import type { Evacuation, EvacuationMove } from "../../../core/evacuation/evacuation.ts";
import type { Migration } from "../../../core/migration/migration.ts";
import type { Plan } from "../../../core/plan/plan-result.ts";
import { facts } from "../../functions/testing/fixtures.ts";
import { operate } from "../../functions/testing/fleet.ts";
import { EvacuationHarness } from "../../workflow/testing/evacuation-harness.ts";
import { MEMORY_BYTES } from "../../workflow/testing/hosts.ts";
import { faultsIn, logOf } from "./check-log.ts";
import { poorRefusals } from "./check-refusals.ts";
import { StartWatch } from "./start-watch.ts";

/** Guests that a host has memory for. */
const ROOM = facts.memoryBytes / MEMORY_BYTES;

export type Observe = NonNullable<Parameters<typeof EvacuationHarness.start>[0]>["observe"] &
  object;

/** A control plane, and the fleet of one test: what happens in it is checked from its log at the end. */
export class Scene {
  readonly harness: EvacuationHarness;
  readonly #watch: StartWatch;
  #slots = 1;
  #startPlaces: ReadonlyMap<string, string> = new Map();

  private constructor(harness: EvacuationHarness, watch: StartWatch) {
    this.harness = harness;
    this.#watch = watch;
  }

  /** @param observe stands between the functions and a service, beside the watch over the starts */
  static async start(observe: Observe = (_, transport) => transport): Promise<Scene> {
    const watch = new StartWatch();
    const both: Observe = (service, transport) =>
      watch.observe(service, observe(service, transport));
    return new Scene(await EvacuationHarness.start({ observe: both }), watch);
  }

  close(): Promise<void> {
    return this.harness.close();
  }

  get guests() {
    return this.harness.guests;
  }

  /** Hosts with so many guests, and with so many slots in and out. */
  async fleet(sizes: Record<string, number>, slots = 1): Promise<Record<string, string>> {
    const hosts = await this.harness.fleet(sizes, { slotsOut: slots, slotsIn: slots });
    this.#slots = slots;
    this.#startPlaces = new Map(this.guests.places);
    return hosts;
  }

  /** The transfer of this guest goes on only when a test lets it. */
  hold(name: string): void {
    this.guests.courses.set(this.harness.vm(name), ["held", "completes"]);
  }

  /** Runs to the end of the evacuation; whatever is held goes on. */
  end(id: string): Promise<Evacuation> {
    return this.harness.end(id, () => this.guests.releaseAll());
  }

  async host(id = ""): Promise<Record<string, unknown>> {
    return (await operate("GET", `/v1/hosts/${id}`)).body;
  }

  /** @throws Error when the API refuses it */
  async post(path: string, body: object = {}): Promise<Record<string, unknown>> {
    const { status, body: answer } = await operate("POST", path, body);
    if (status >= 300) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer;
  }

  async move(id: string, name: string): Promise<EvacuationMove> {
    const vm = this.harness.vm(name);
    const found = (await this.harness.moves(id)).find((move) => move.vm === vm);
    if (found === undefined) throw new Error(`Expected a move of ${vm}`);
    return found;
  }

  /** What holds after every end. */
  async expectSound(...evacuations: Pick<Evacuation, "id" | "version">[]): Promise<void> {
    const log = logOf(await this.harness.plane.scan(), new Set(this.#startPlaces.keys()));
    expect(log.length).toBeGreaterThan(0);
    const fleet = { places: this.#startPlaces, slots: this.#slots, pool: 0, room: ROOM };
    expect(faultsIn(log, fleet)).toEqual([]);
    expect(this.#watch.starts).toBeGreaterThan(0);
    expect(this.#watch.faults).toEqual([]);
    expect(this.guests.hasRunTwice).toBe(false);
    for (const { id, version } of evacuations) {
      expect(await this.harness.leftovers(id)).toEqual([]);
      const moves = await this.harness.moves(id);
      const plans = await this.#plans(id, version);
      expect(poorRefusals({ moves, plans, migrations: await this.#migrations() })).toEqual([]);
    }
  }

  async #plans(id: string, versions: number): Promise<Plan[]> {
    const plans: Plan[] = [];
    for (let version = 1; version <= versions; version += 1) {
      const { body } = await operate("GET", `/v1/evacuations/${id}/plans/${version}`);
      plans.push((body as { plan: Plan }).plan);
    }
    return plans;
  }

  async #migrations(): Promise<Migration[]> {
    const { body } = await operate("GET", "/v1/migrations?limit=100");
    return body.items as Migration[];
  }
}
