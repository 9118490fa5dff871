import { chooseQemu, modelQemu, type Qemu } from "../../rig/qemu.ts";
import { Bed } from "./bed.ts";
import { describeStrike, drawPlan, type FaultKind } from "./plan.ts";
import { type Outcome, Run } from "./run.ts";
import { World } from "./world.ts";

export type CampaignOptions = {
  seed: number;
  /** On real QEMU rather than on the model. */
  real: boolean;
  /** A QEMU binary for both hosts. */
  qemu?: string | undefined;
  /** The first fault of each run; default: drawn. */
  only?: FaultKind | undefined;
  /** Installations side by side. */
  lanes: number;
  /** How much faster time runs than the machine's; always 1 with real QEMU. */
  rate: number;
  /** The functions call every service over HTTP with signatures. */
  http: boolean;
  /** The guest's disk is copied with each move; on real QEMU only. */
  copy: boolean;
  /** Called with each line of the report. */
  print: (line: string) => void;
};

/** Migrations under seeded faults, in several installations side by side. */
export class Campaign {
  readonly qemu: Qemu;
  /** Strikes that took place, by fault and victim. */
  readonly byFault: Record<string, number> = {};
  readonly #options: CampaignOptions;
  readonly #world: World;
  #done = 0;
  #violated = 0;
  #stopped = false;

  constructor(options: CampaignOptions) {
    this.#options = options;
    const isReal = options.real || options.qemu !== undefined;
    this.qemu = isReal ? chooseQemu(options.qemu) : modelQemu();
    this.#world = new World(this.qemu.real ? 1 : options.rate);
  }

  get folder(): string {
    return this.#world.folder;
  }

  get result() {
    return { runs: this.#done, violations: this.#violated };
  }

  /** Runs these numbers, each in the next free lane; then ends all installations. */
  async go(numbers: number[]): Promise<void> {
    const left = numbers.values();
    const { lanes } = this.#options;
    const width = Math.min(lanes, numbers.length);
    try {
      // One after the other: the first start fills the compile cache of the others.
      const beds: Bed[] = [];
      while (beds.length < width) beds.push(await this.#start());
      await Promise.all(beds.map((bed) => this.#lane(bed, left)));
    } finally {
      this.#world.close();
    }
  }

  /** Kills everything at once and prints nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#world.close();
  }

  /** Keeps one installation until a run in it violates something. */
  async #lane(first: Bed, left: Iterable<number>): Promise<void> {
    let bed: Bed | undefined = first;
    for (const number of left) {
      const startedMs = performance.now();
      let outcome: Outcome | undefined;
      let violations: string[];
      const plan = drawPlan(this.#options.seed, number, this.#options.only);
      try {
        bed ??= await this.#start();
        outcome = await Run.go(bed, plan);
        violations = outcome.violations;
      } catch (error) {
        violations = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
      }
      if (this.#stopped) return;
      const tookMs = Math.round(performance.now() - startedMs);
      const verdict = violations.length > 0 ? "VIOLATED" : "ok";
      const strikes = plan.strikes.map(describeStrike).join(", ");
      this.#options.print(
        `${String(number).padStart(4)} ${verdict} ${describe(outcome)}, ${tookMs} ms: ${strikes}` +
          `${plan.gated ? ", gated" : ""} (${outcome?.hit.length ?? 0} hit)`,
      );
      this.#count(outcome);
      // A VM that only a person can release cannot be moved again.
      const isUsable = outcome !== undefined && outcome.migration.status !== "unknown";
      if (violations.length === 0 && isUsable) continue;
      if (violations.length > 0) await this.#report(number, violations, { outcome, bed });
      // What is wrong with it must not count as a violation of the next run.
      await bed?.close();
      bed = undefined;
    }
    await bed?.close();
  }

  #start(): Promise<Bed> {
    const { http, copy } = this.#options;
    return Bed.start(this.#world, this.qemu.path, { http, isCopied: copy });
  }

  #count(outcome: Outcome | undefined): void {
    this.#done += 1;
    if (!outcome || outcome.violations.length > 0) this.#violated += 1;
    for (const { fault } of outcome?.hit ?? []) {
      const name = "victim" in fault ? `${fault.kind} ${fault.victim}` : fault.kind;
      this.byFault[name] = (this.byFault[name] ?? 0) + 1;
    }
  }

  async #report(
    number: number,
    violations: string[],
    { outcome, bed }: { outcome: Outcome | undefined; bed: Bed | undefined },
  ): Promise<void> {
    const { seed, only, real, qemu, http, copy, print } = this.#options;
    for (const violation of violations) print(`     ! ${violation}`);
    for (const line of outcome?.log ?? []) print(`       ${line}`);
    if (outcome && bed) {
      const { items } = await bed.fleet.api
        .getTimeline(outcome.migration.id)
        .catch(() => ({ items: [] }));
      for (const { at, origin, type, detail } of items) {
        print(`       ${at} ${origin} ${type} ${JSON.stringify(detail).slice(0, 300)}`);
      }
    }
    const which = [
      only === undefined ? "" : ` --only ${only}`,
      real ? " --real" : "",
      qemu === undefined ? "" : ` --qemu ${qemu}`,
      http ? " --http" : "",
      copy ? " --copy" : "",
    ].join("");
    print(`     Again: npm run faults -- --seed ${seed} --run ${number}${which}`);
  }
}

function describe(outcome: Outcome | undefined): string {
  if (!outcome) return "no end";
  const { migration, runsOn, transitions } = outcome;
  const { failure } = migration;
  // QEMU's own output may have several lines; a run is reported in one.
  const message = failure?.message.replace(/\s*\n\s*/g, " / ");
  const why = failure === undefined ? "" : ` (${failure.code}: ${message})`;
  return `${migration.status}${why} on ${runsOn ?? "no host"}, ${transitions} transitions`;
}
