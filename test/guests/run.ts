import type { Network } from "../network/namespaces.ts";
import { TwinBed } from "../twin/testing/bed.ts";
import { differences as madeDifferences } from "../twin/testing/differences.ts";
import { Bed } from "./bed.ts";
import { type GuestResult, GuestRun } from "./guest-run.ts";
import type { GuestRig } from "./rig/rig.ts";
import type { Shape } from "./shapes.ts";

/** Of the differences, so many are made in a slice: each takes a second or two. */
const SLICE_EVERY = 8;

export type RunContext = {
  readonly rig: GuestRig;
  readonly qemu: string;
  readonly network: Network;
  readonly print: (line: string) => void;
  /** When aborted, what is under way fails, and nothing else starts. */
  readonly signal: AbortSignal;
};

export type RunPlan = {
  readonly shapes: readonly Shape[];
  readonly moves: number;
  readonly differences: "none" | "some" | "all";
  /** Nothing is begun later than this, ms after the start. */
  readonly beginMs?: number;
};

export type RunOutcome = {
  readonly guests: GuestResult[];
  readonly differences: { made: number; found: number; falseAlarms: number };
  readonly passed: number;
  readonly failed: number;
  /** Guests that were not begun in time. */
  readonly skipped: number;
};

/** Makes the differences, then runs the guests one after the other; ends all that it started. */
export async function runGuests(context: RunContext, plan: RunPlan): Promise<RunOutcome> {
  const { signal, print } = context;
  const twins = await makeDifferences(context, plan);
  const guests: GuestResult[] = [];
  let failed = twins.made - twins.found;
  let skipped = 0;
  const isLate = () => performance.now() > (plan.beginMs ?? Number.POSITIVE_INFINITY);
  const bed = await Bed.start(context, context.network);
  // Everything that waits for the fleet then fails at once.
  const stop = () => void bed.stop();
  signal.addEventListener("abort", stop);
  try {
    for (const shape of plan.shapes) {
      if (signal.aborted) break;
      if (isLate()) {
        print(`${shape.name}: skipped: the time of this run is over`);
        skipped += 1;
        continue;
      }
      print(`${shape.name}: ${shape.claim}`);
      const { result, problems } = await new GuestRun(bed, shape).run(plan.moves);
      guests.push(result);
      if (problems.length > 0) failed += 1;
      for (const problem of problems) print(`${shape.name}: FAILED: ${problem}`);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    await bed.stop();
  }
  const { falseAlarms } = bed;
  if (falseAlarms > 0) print(`${falseAlarms} differences found between equal machines`);
  return {
    guests,
    differences: { ...twins, falseAlarms },
    passed: guests.length + twins.made - failed,
    failed: failed + (falseAlarms > 0 ? 1 : 0),
    skipped,
  };
}

/** Two machines that differ in one thing each time: the twin check must name it before `migrate`. */
async function makeDifferences(
  { qemu, print, signal }: RunContext,
  { differences }: RunPlan,
): Promise<{ made: number; found: number }> {
  const every = { none: Number.POSITIVE_INFINITY, some: SLICE_EVERY, all: 1 }[differences];
  const chosen = madeDifferences.filter((_, index) => index % every === 0 && every < Infinity);
  const bed = new TwinBed({ source: qemu, target: qemu });
  let [made, found] = [0, 0];
  try {
    for (const { title, make, found: expected } of chosen) {
      if (signal.aborted) break;
      made += 1;
      const { check, refusal, migrationStatus } = await bed.run(make(bed.files));
      const isNamed = check.differences.some(({ name }) => expected.test(name));
      if (isNamed && refusal !== undefined && migrationStatus === "none") found += 1;
      else print(`difference not found: ${title}`);
    }
  } finally {
    await bed.close();
  }
  if (made > 0) print(`${found} of ${made} made differences found`);
  return { made, found };
}
