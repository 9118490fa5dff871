/** Measures the planner: simulated evacuations, rivals' limits, small fleets, large fleets. */
import { parseArgs } from "node:util";
import { playSmallEvacuations } from "./cases.ts";
import { type Shape, shapes } from "./fleets.ts";
import { missedGoals, type Row } from "./goals.ts";
import { rivals } from "./rivals.ts";
import { type Figures, type RivalFigures, Trial } from "./run.ts";
import { measureScales } from "./scale.ts";
import { median, quantile, rounded } from "./statistics.ts";

const SIGMAS = [0, 0.3, 0.7, 1.5] as const;
const QUICK_SIGMAS = [0, 0.7] as const;
const SEEDS_MAX = 1_000;
/** Rivals are simulated at this error of the predictions. */
const RIVAL_SIGMA = 0.7;
/** Large fleets have as many VMs as many small ones. */
const LARGE_HOSTS = 500;

const help = `Usage: npm run bench:plan -- [--json] [--seeds N] [--shape TEXT] [--quick]

Plans evacuations of seeded fleets and carries them out in a fluid simulation in which the true
values differ from the predictions: each dirty rate, working set, size of the first pass, load and
prepare time by a log-normal factor of its own (sigma). Prints, by shape and sigma: makespan / lower
bound, bytes / the sum of each migration alone, p99 downtime / that of one at a time, the error of
the ETA at half-way; beside them the same placements under the default limits of other systems.
Then small fleets with a known optimum, planning times of large fleets, and every goal missed.
It takes about four minutes of one core.

  --json        the last line is {"shapes", "planningMs", "rivals", "scales", "cases", "missed"}
  --seeds N     fleets of each shape and sigma, 1 to 1,000, 20 by default; a quarter of it for the
                largest fleets
  --shape TEXT  only shapes whose name has this text; no large fleets are planned
  --quick       two fleets of each shape but the largest, sigma 0 and 0.7: about 5 s
  --help        this text
`;
type RivalRow = Pick<
  Row,
  "name" | "sigma" | "ratioMedian" | "ratioP95" | "bytesRatio" | "p99DowntimeRatio"
>;

function main(): void {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean" },
      seeds: { type: "string" },
      shape: { type: "string", default: "" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const { quick, shape: text } = values;
  const seeds = Number(values.seeds ?? (quick ? 2 : 20));
  if (!Number.isInteger(seeds) || seeds < 1 || seeds > SEEDS_MAX) {
    throw new RangeError(
      `Expected --seeds to be a whole number from 1 to ${SEEDS_MAX}, got ${values.seeds}`,
    );
  }
  const chosen = shapes.filter(
    ({ name, hosts }) => name.includes(text) && !(quick && hosts > LARGE_HOSTS),
  );
  if (chosen.length === 0) {
    const names = shapes.map(({ name }) => name).join("\n  ");
    throw new RangeError(`Expected --shape to be part of a shape's name, got ${text}:\n  ${names}`);
  }
  const scales = quick || text !== "" ? [] : measureScales();
  const { rows, rivalRows } = playShapes(chosen, quick ? QUICK_SIGMAS : SIGMAS, seeds);
  const cases = playSmallEvacuations();
  const missed = missedGoals({ rows, scales, cases });
  print({ rows, rivalRows, scales, cases, missed });
  if (!values.json) return;
  const planningMs = Math.max(0, ...scales.map((scale) => scale.planningMs));
  const result = { shapes: rows, planningMs, rivals: rivalRows, scales, cases, missed };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

type Played = { readonly rows: Row[]; readonly rivalRows: Record<string, RivalRow[]> };

function playShapes(chosen: readonly Shape[], sigmas: readonly number[], seeds: number): Played {
  const rows: Row[] = [];
  const rivalRows: Record<string, RivalRow[]> = {};
  for (const shape of chosen) {
    for (const sigma of sigmas) {
      const runs = trials(shape, { sigma, seeds });
      rows.push(summarize(runs));
      // Rivals are not replanned, and know no hosts that come back.
      const isOurs = shape.faults === "host" || shape.options?.returnAfterMs !== undefined;
      if (sigma !== RIVAL_SIGMA || isOurs) continue;
      for (const [name, row] of rivalSummaries(runs)) {
        rivalRows[name] = [...(rivalRows[name] ?? []), row];
      }
    }
  }
  return { rows, rivalRows };
}

type Runs = {
  readonly shape: Shape;
  readonly sigma: number;
  readonly trials: readonly Trial[];
  readonly figures: readonly Figures[];
};

function trials(shape: Shape, { sigma, seeds }: { sigma: number; seeds: number }): Runs {
  const count = shape.hosts > LARGE_HOSTS ? Math.max(1, Math.round(seeds / 4)) : seeds;
  const list = Array.from(
    { length: count },
    (_, index) => new Trial(shape, { seed: index + 1, sigma }),
  );
  return { shape, sigma, trials: list, figures: list.map((trial) => trial.run()) };
}

function summarize({ shape, sigma, figures }: Runs): Row {
  const ratios = figures.map(({ ratio }) => ratio);
  const etaErrors = figures
    .map(({ halfwayEtaError }) => halfwayEtaError)
    .filter((error) => error !== undefined);
  const after = figures
    .map(({ ratioAfterFailure }) => ratioAfterFailure)
    .filter((ratio) => ratio !== undefined);
  const p99 = quantile(
    figures.flatMap(({ downtimesMs }) => downtimesMs),
    0.99,
  );
  const aloneP99 = quantile(
    figures.flatMap(({ aloneDowntimesMs }) => aloneDowntimesMs),
    0.99,
  );
  return {
    name: shape.name,
    sigma,
    ratioMedian: rounded(median(ratios)),
    ratioP95: rounded(quantile(ratios, 0.95)),
    bytesRatio: rounded(Math.max(...figures.map(({ bytesRatio }) => bytesRatio))),
    p99DowntimeRatio: rounded(p99 / aloneP99),
    halfwayEtaError: etaErrors.length === 0 ? null : rounded(quantile(etaErrors, 0.95)),
    halfwayEtaErrorMedian: etaErrors.length === 0 ? null : rounded(median(etaErrors)),
    movesPerVm: rounded(Math.max(...figures.map(({ movesPerVm }) => movesPerVm))),
    unplaced: figures.reduce((sum, { unplaced }) => sum + unplaced, 0),
    overshoots: figures.reduce((sum, { overshoots }) => sum + overshoots, 0),
    ...(after.length === 0 ? {} : { ratioAfterFailureP95: rounded(quantile(after, 0.95)) }),
  };
}

function rivalSummaries({ shape, sigma, trials: list, figures }: Runs): [string, RivalRow][] {
  const aloneP99 = quantile(
    figures.flatMap(({ aloneDowntimesMs }) => aloneDowntimesMs),
    0.99,
  );
  return Object.entries(rivals).map(([name, limits]) => {
    const runs: RivalFigures[] = list.map((trial) => trial.runRival(limits));
    const ratios = runs.map(({ ratio }) => ratio);
    const p99 = quantile(
      runs.flatMap(({ downtimesMs }) => downtimesMs),
      0.99,
    );
    const row = {
      name: shape.name,
      sigma,
      ratioMedian: rounded(median(ratios)),
      ratioP95: rounded(quantile(ratios, 0.95)),
      bytesRatio: rounded(Math.max(...runs.map(({ bytesRatio }) => bytesRatio))),
      p99DowntimeRatio: rounded(p99 / aloneP99),
    };
    return [name, row];
  });
}

function print(result: {
  rows: readonly Row[];
  rivalRows: Readonly<Record<string, readonly RivalRow[]>>;
  scales: readonly object[];
  cases: object;
  missed: readonly string[];
}): void {
  const { rows, rivalRows, scales, cases, missed } = result;
  console.table(
    rows.map((row) => ({
      shape: row.name,
      sigma: row.sigma,
      median: row.ratioMedian,
      p95: row.ratioP95,
      bytes: row.bytesRatio,
      downtime: row.p99DowntimeRatio,
      "ETA error": row.halfwayEtaError,
      "moves/VM": row.movesPerVm,
      "after failure": row.ratioAfterFailureP95,
      overshoots: row.overshoots,
    })),
  );
  for (const [name, list] of Object.entries(rivalRows)) {
    process.stdout.write(`Under the limits of ${name}, sigma ${RIVAL_SIGMA}\n`);
    console.table(list.map(({ sigma: _, ...row }) => row));
  }
  console.table(scales);
  console.table([cases]);
  const text = missed.length === 0 ? "Every goal is met.\n" : `Missed:\n  ${missed.join("\n  ")}\n`;
  process.stdout.write(text);
}

main();
