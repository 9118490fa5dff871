import { chooseQemu, modelQemu, type Qemu } from "../../demo/qemu.ts";
import { Bed } from "./bed.ts";
import { describeStrike, drawPlan, type FaultKind } from "./plan.ts";
import { type Outcome, Run } from "./run.ts";

export type CampaignOptions = {
  seed: number;
  /** On real QEMU rather than on the model. */
  real: boolean;
  /** A QEMU binary for both hosts. */
  qemu?: string | undefined;
  /** Draws this fault first in each run. */
  only?: FaultKind | undefined;
  /** Hears one line at a time. */
  say: (line: string) => void;
};

/** Runs one after the other; the installation is kept for as long as nothing was violated in it. */
export class Campaign {
  readonly qemu: Qemu;
  /** Strikes that took place, by fault and victim. */
  readonly byFault: Record<string, number> = {};
  readonly #options: CampaignOptions;
  #bed: Bed | undefined;

  constructor(options: CampaignOptions) {
    this.#options = options;
    const isReal = options.real || options.qemu !== undefined;
    this.qemu = isReal ? chooseQemu(options.qemu) : modelQemu();
  }

  async close(): Promise<void> {
    await this.#bed?.close();
    this.#bed = undefined;
  }

  /** What was violated in this run: nothing, where all is well. */
  async run(number: number): Promise<string[]> {
    const plan = drawPlan(this.#options.seed, number, this.#options.only);
    const startedMs = performance.now();
    let outcome: Outcome | undefined;
    let violations: string[];
    try {
      this.#bed ??= await Bed.start({ source: this.qemu.path, target: this.qemu.path });
      outcome = await Run.go(this.#bed, plan);
      violations = outcome.violations;
    } catch (error) {
      violations = [String(error)];
    }
    const tookMs = Math.round(performance.now() - startedMs);
    const word = violations.length > 0 ? "VIOLATED" : "ok";
    const strikes = plan.strikes.map(describeStrike).join(", ");
    this.#options.say(
      `${String(number).padStart(4)} ${word} ${describe(outcome)}, ${tookMs} ms: ${strikes}` +
        `${plan.gated ? ", gated" : ""} (${outcome?.hit.length ?? 0} hit)`,
    );
    this.#count(outcome);
    if (violations.length > 0) {
      await this.#report(number, violations, outcome);
      // Whatever is wrong with it must not be taken for a fault of the next run.
      await this.close();
    }
    return violations;
  }

  #count(outcome: Outcome | undefined): void {
    for (const { fault } of outcome?.hit ?? []) {
      const name = "victim" in fault ? `${fault.kind} ${fault.victim}` : fault.kind;
      this.byFault[name] = (this.byFault[name] ?? 0) + 1;
    }
  }

  async #report(number: number, violations: string[], outcome: Outcome | undefined) {
    const { seed, only, real, qemu, say } = this.#options;
    for (const violation of violations) say(`     ! ${violation}`);
    for (const line of outcome?.log ?? []) say(`       ${line}`);
    if (outcome && this.#bed) {
      const timeline = await this.#bed.fleet.api.timeline(outcome.migration.id).catch(() => []);
      for (const { at, origin, type, detail } of timeline) {
        say(`       ${at} ${origin} ${type} ${JSON.stringify(detail).slice(0, 300)}`);
      }
    }
    const which = [
      only === undefined ? "" : ` --only ${only}`,
      real ? " --real" : "",
      qemu === undefined ? "" : ` --qemu ${qemu}`,
    ].join("");
    say(`     Again: npm run faults -- --seed ${seed} --run ${number}${which}`);
  }
}

function describe(outcome: Outcome | undefined): string {
  if (!outcome) return "no end";
  const { migration, runsOn, transitions } = outcome;
  const why = migration.failure === undefined ? "" : ` (${migration.failure.code})`;
  return `${migration.status}${why} on ${runsOn ?? "no host"}, ${transitions} transitions`;
}
