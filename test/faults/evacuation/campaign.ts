import { DemoFleet } from "../../../demo/demo-fleet.ts";
import { type Act, describeAct, drawActs, HOSTS } from "./acts.ts";
import { EvacuationBed } from "./bed.ts";
import { checkEvacuation } from "./check.ts";
import { EvacuationRun, type EvacuationTrace } from "./run.ts";

/** Evacuations of four guests under seeded acts, one after the other in one installation. */
export class EvacuationCampaign {
  /** Acts by kind. */
  readonly byFault: Record<string, number> = {};
  readonly #seed: number;
  readonly #print: (line: string) => void;
  readonly #own = new DemoFleet();
  #done = 0;
  #violated = 0;

  constructor(seed: number, print: (line: string) => void) {
    this.#seed = seed;
    this.#print = print;
  }

  get result() {
    return { runs: this.#done, violations: this.#violated };
  }

  /** Runs these numbers, up to the first violation: what is wrong would spoil the next run. */
  async go(numbers: readonly number[]): Promise<void> {
    try {
      const bed = await EvacuationBed.start(this.#own);
      this.#print(`In ${bed.fleet.folder}`);
      for (const number of numbers) {
        if (!(await this.#one(bed, number))) break;
      }
    } finally {
      await this.#own.stop();
    }
  }

  async #one(bed: EvacuationBed, number: number): Promise<boolean> {
    const acts = drawActs(this.#seed, number);
    const startedMs = performance.now();
    const { trace, found } = await this.#play(bed, acts);
    if (this.#own.isStopping) return false;
    this.#done += 1;
    for (const { kind } of acts) this.byFault[kind] = (this.byFault[kind] ?? 0) + 1;
    const verdict = found.length > 0 ? "VIOLATED" : "ok";
    const tookMs = Math.round(performance.now() - startedMs);
    const acted = acts.map(describeAct).join(", ");
    this.#print(
      `${String(number).padStart(4)} ${verdict} ${describe(trace)}, ${tookMs} ms: ${acted}`,
    );
    if (found.length === 0) return true;
    this.#violated += 1;
    for (const text of found) this.#print(`     ! ${text}`);
    const again = `npm run faults -- --evacuate --seed ${this.#seed} --run ${number}`;
    this.#print(`     Again: ${again}`);
    return false;
  }

  async #play(bed: EvacuationBed, acts: readonly Act[]) {
    let trace: EvacuationTrace | undefined;
    try {
      trace = await new EvacuationRun(bed, acts).go();
      const found = await checkEvacuation(bed, trace);
      for (const host of HOSTS) {
        await bed.ask((api) => api.uncordonHost(host, { owner: "campaign" }));
      }
      return { trace, found };
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { trace, found: [text] };
    }
  }
}

function describe(trace: EvacuationTrace | undefined): string {
  if (trace === undefined) return "no end";
  const { ended, host, accepted } = trace;
  const { moved, failed, skipped } = ended.counters;
  const heard = accepted.map(({ kind }) => kind).join(" ");
  const counts = `${moved} moved, ${failed} failed, ${skipped} skipped`;
  return `${ended.status} of ${host}: ${counts}, accepted: ${heard || "-"}`;
}
