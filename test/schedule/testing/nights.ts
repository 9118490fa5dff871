import { DeleteScheduleCommand, ListSchedulesCommand } from "@aws-sdk/client-scheduler";
import type { Evacuation } from "../../../core/evacuation/evacuation.ts";
import { Schedule } from "../../../core/schedule/schedule.ts";
import { scheduler } from "../../../functions/runtime/clients.ts";
import { operate } from "../../functions/testing/fleet.ts";
import type { EvacuationHarness } from "../../workflow/testing/evacuation-harness.ts";

/** What stands for a minute of the cases: so a window of 25 is above the shortest that is allowed. */
export const UNIT_MS = 15_000;
export const DAY_MS = 86_400_000;
/** Sources report figures so often: Step Functions waits a minute for a heartbeat. */
const BEAT_MS = 45_000;
/** Of each guest: see the harness. */
const MEMORY_BYTES = 2 ** 20;

/** Options by which the planner predicts that each guest takes so long, and not more. */
export function planFor(units: number) {
  return {
    // A little faster, so that rounding takes no guest beyond a window.
    streamBytesPerSecond: (MEMORY_BYTES / (units * UNIT_MS)) * 1_000.1,
    unknownDirtyBytesPerSecond: 0,
    unknownWorkingSetShare: 0,
    prepareMs: 0,
  };
}

/** A fleet whose guests take the time that was predicted, and schedules that empty its hosts. */
export class Nights {
  readonly harness: EvacuationHarness;
  /** Units that a guest takes. */
  units = 0;
  /** Starts and ends of moves, ms: what this fleet has really done. */
  readonly moved = new Map<string, { fromMs: number; untilMs?: number }>();
  readonly #due: string[] = [];
  readonly #schedules: string[] = [];
  #isBeatDue = false;
  #hasBeat = false;
  /** When the first window opens. */
  startMs = 0;

  constructor(harness: EvacuationHarness) {
    this.harness = harness;
  }

  /** Hosts with one slot, and so many guests each, which take so many units. */
  async fleet(sizes: Record<string, number>, units: number): Promise<Record<string, string>> {
    const hosts = await this.harness.fleet(sizes, { slotsOut: 1, slotsIn: 1 });
    // Schedules of earlier tests would move their guests to these hosts.
    for (const id of this.#schedules.splice(0)) {
      await operate("POST", `/v1/schedules/${id}/pause`, { by: "tests" });
    }
    this.units = units;
    this.moved.clear();
    for (const vm of this.harness.guests.places.keys()) {
      this.harness.guests.courses.set(vm, ["held"]);
    }
    return hosts;
  }

  /** A schedule that begins at 22:00 UTC each day. */
  async schedule(hosts: readonly string[], durationUnits: number, rest: object = {}) {
    const { status, body } = await operate("POST", "/v1/schedules", {
      name: "nightly",
      by: "ada",
      starts: { cron: "0 22 * * *", zone: "UTC" },
      durationMs: durationUnits * UNIT_MS,
      hosts: { ids: hosts },
      options: planFor(this.units),
      ...rest,
    });
    if (status !== 201) throw new Error(JSON.stringify(body));
    const made = Schedule.parse(body);
    this.#schedules.push(made.id);
    this.startMs = Date.parse(made.next[0]?.startsAt ?? "");
    return made;
  }

  async show(id: string): Promise<Schedule> {
    return Schedule.parse((await operate("GET", `/v1/schedules/${id}`)).body);
  }

  /** The one evacuation that the schedule has started. */
  async evacuation(id: string): Promise<Evacuation> {
    const { evacuation = "" } = await this.show(id);
    return this.harness.read(evacuation);
  }

  /** Runs to so many units after the first start, guests arriving in their time. */
  async runTo(units: number): Promise<void> {
    await this.harness.runTo(this.startMs + units * UNIT_MS, () => this.#proceed());
    await this.#proceed();
    await this.harness.runUntilIdle();
  }

  async #proceed(): Promise<boolean> {
    const { clock, guests } = this.harness;
    for (const vm of guests.held.filter((name) => !this.moved.has(name))) {
      this.moved.set(vm, { fromMs: clock.now() });
      clock.setTimeout(() => this.#due.push(vm), this.units * UNIT_MS);
    }
    if (guests.held.length > 0 && !this.#hasBeat) {
      this.#hasBeat = true;
      clock.setTimeout(() => {
        this.#hasBeat = false;
        this.#isBeatDue = true;
      }, BEAT_MS);
    }
    const isBeating = this.#isBeatDue;
    if (isBeating) await guests.beat();
    this.#isBeatDue = false;
    const due = this.#due.splice(0);
    for (const vm of due) {
      this.moved.set(vm, { ...this.#move(vm), untilMs: clock.now() });
      await guests.release(vm);
    }
    return due.length > 0 || isBeating;
  }

  #move(vm: string) {
    const found = this.moved.get(vm);
    if (found === undefined) throw new Error(`Expected ${vm} to have moved`);
    return found;
  }

  /** When each guest has moved, in units after the first start, in that order. */
  times(): [from: number, until: number | undefined][] {
    const units = (ms: number) => Math.round((ms - this.startMs) / UNIT_MS);
    return [...this.moved.values()].map(({ fromMs, untilMs }) => [
      units(fromMs),
      untilMs === undefined ? undefined : units(untilMs),
    ]);
  }

  /** The engine forgets the schedule, and it is this time. */
  async stop(id: string, atMs: number): Promise<void> {
    for (const Name of await this.engine(id)) {
      await scheduler().send(new DeleteScheduleCommand({ Name, GroupName: "default" }));
    }
    await this.harness.runTo(atMs);
  }

  /** Names of the schedules that the engine has for this one. */
  async engine(id: string): Promise<string[]> {
    const { Schedules = [] } = await scheduler().send(new ListSchedulesCommand({}));
    return Schedules.flatMap(({ Name = "" }) => (Name.startsWith(id) ? [Name] : []));
  }
}
