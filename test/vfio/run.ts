import { VfioFleet } from "./fleet.ts";
import { type Move, move } from "./move.ts";
import type { Rig } from "./rig/rig.ts";
import {
  ackFigures,
  describeMove,
  type Observation,
  type Result,
  type Scenario,
} from "./scenario.ts";

export type RunOptions = {
  runs: number;
  print: (line: string) => void;
  /** When aborted, the scenario under way fails and no other starts. */
  signal: AbortSignal;
};

export type Outcome = {
  /** Of init-2s; null when it did not run, or failed too early. */
  ratio: number | null;
  results: Result[];
  moves: { name: string; move: Move }[];
};

/** Boots one L1, runs the scenarios one after the other, and ends everything it started. */
export async function runScenarios(
  rig: Rig,
  scenarios: readonly Scenario[],
  { runs, print, signal }: RunOptions,
): Promise<Outcome> {
  const fleet = await VfioFleet.start(rig, print);
  const outcome: Outcome = { ratio: null, results: [], moves: [] };
  // Everything that waits for L1 then fails at once.
  const stop = () => void fleet.stop();
  signal.addEventListener("abort", stop);
  try {
    signal.throwIfAborted();
    if (scenarios[0]?.name !== "stock") {
      print("warming up");
      await move(fleet, { knobs: "stock" });
    }
    for (const scenario of scenarios) {
      signal.throwIfAborted();
      await runOne(scenario, { fleet, runs, print }, outcome);
    }
    return outcome;
  } finally {
    signal.removeEventListener("abort", stop);
    await fleet.stop();
  }
}

async function runOne(
  scenario: Scenario,
  context: Parameters<Scenario["run"]>[0],
  outcome: Outcome,
): Promise<void> {
  const { name } = scenario;
  const { print, fleet } = context;
  print(`${name}: ${scenario.claim}`);
  try {
    const seen = await scenario.run(context);
    outcome.results.push(toResult(name, seen));
    if (name === "init-2s") outcome.ratio = seen.ratio ?? null;
    if (seen.move) {
      outcome.moves.push({ name, move: seen.move });
      print(`${name}: ok: ${describeMove(seen.move)}`);
    } else print(`${name}: ok`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    print(`${name}: FAILED: ${message}`);
    print(await fleet.diagnosis());
    outcome.results.push({ name, ok: false, downtimeMs: null, ack: null, error: message });
  }
}

function toResult(name: string, { move: seen, ...rest }: Observation): Result {
  return {
    name,
    ok: true,
    downtimeMs: seen?.migration.figures?.downtimeMs ?? null,
    ack: seen === undefined ? null : ackFigures(seen.migration),
    ...(seen === undefined
      ? {}
      : { vfioBytes: seen.migration.figures?.progress.vfioTransferredBytes ?? null }),
    ...rest,
  };
}
