import { describe, expect, it } from "vitest";
import { Execution } from "../../core/plan/execution.ts";
import { draftPlan, executionInput } from "../../core/plan/plan.ts";
import { checkLog, checkPlaces } from "./check.ts";
import { drawFleet, shapes } from "./fleets.ts";
import { type Stream, share } from "./links.ts";
import { Trial } from "./run.ts";
import { type Entry, Simulation } from "./simulate.ts";
import { drawTruth } from "./truth.ts";

const small = shapes.filter(({ hosts, faults }) => hosts < 100 && faults === undefined);

function shapeAt(index: number) {
  const shape = small[index];
  if (shape === undefined) throw new RangeError(`Expected a shape at ${index}`);
  return shape;
}

function simulate(shape: (typeof shapes)[number], sigma: number) {
  const { snapshot, options } = drawFleet(shape, 3);
  const draft = draftPlan(snapshot, options);
  const simulation = new Simulation({
    table: draft.fleet.table,
    options,
    starter: new Execution(executionInput(draft)),
    truths: drawTruth(snapshot.vms, options, { sigma, seed: 3 }),
    cap: ({ estimate }) => estimate.bytesPerSecond,
  });
  simulation.run();
  return { simulation, draft, snapshot, options };
}

describe("the fluid simulation", () => {
  it.each(small)("of $name is the predicted schedule where every prediction is right", (shape) => {
    const { simulation, draft } = simulate(shape, 0);
    const starts = new Map(
      simulation.log.map(({ move, startAt, endAt }) => [move, { startAt, endAt }]),
    );
    expect(starts.size).toBe(draft.schedule.moves.length);
    for (const { move, startAtMs, endAtMs } of draft.schedule.moves) {
      expect(starts.get(move)?.startAt).toBeCloseTo(startAtMs, 2);
      expect(starts.get(move)?.endAt).toBeCloseTo(endAtMs, 2);
    }
  });

  it.each(small)("of $name exceeds no limit where the predictions are wrong", (shape) => {
    const { simulation, snapshot, options } = simulate(shape, 1.5);
    expect(checkLog(simulation.log, snapshot, options.streamBytesPerSecond)).toEqual([]);
    expect(checkPlaces(simulation.log, snapshot)).toEqual([]);
  });

  it.each(["vms", "host"])("carries all VMs away although %s fail", (faults) => {
    const shape = shapes.find((one) => one.faults === faults);
    if (shape === undefined) throw new Error("Expected such a shape");
    const trial = new Trial(shape, { seed: 5, sigma: 0.3 });
    const figures = trial.run();
    expect(figures.downtimesMs).toHaveLength(trial.fleet.snapshot.vms.length);
    expect([figures.overshoots, figures.movesPerVm]).toEqual([0, 1]);
  });
});

describe("the checker", () => {
  const { simulation, snapshot, options } = simulate(shapeAt(0), 0);
  const stream = options.streamBytesPerSecond;
  const spoil = (change: (entry: Entry) => Partial<Entry>) =>
    simulation.log.map((entry) => ({ ...entry, ...change(entry) }));

  it("finds a slot too many", () => {
    const log = spoil(({ startAt }) => ({ startAt: startAt - 1 }));
    expect(checkLog(log, snapshot, stream).map(({ what }) => what)).toContain("slots out");
  });

  it("finds a link that is over its rate", () => {
    const log = spoil(({ move }) => ({
      move: { ...move, estimate: { ...move.estimate, bytesPerSecond: stream * 2 } },
    }));
    expect(checkLog(log, snapshot, stream).map(({ what }) => what)).toContain("link out");
  });

  it("finds more memory than a host has", () => {
    const hosts = snapshot.hosts.map((host) => ({ ...host, memoryBytes: 2 ** 30 }));
    const found = checkLog(simulation.log, { ...snapshot, hosts }, stream);
    expect(found.map(({ what }) => what)).toContain("memory");
  });

  it("finds a VM that moves from where it is not", () => {
    expect(checkPlaces([...simulation.log, ...simulation.log], snapshot)).not.toEqual([]);
  });
});

describe("links", () => {
  const stream = (source: number, target: number, cap = 100): Stream => ({
    source,
    target,
    cap,
    rate: 0,
  });
  const capacity = Array.from({ length: 4 }, () => ({ out: 1000, in: 1000 }));

  it.each([
    ["as much as each asks for where there is enough", [stream(0, 1), stream(0, 2)], [100, 100]],
    ["equal parts of a full link out", [stream(0, 1, 900), stream(0, 2, 900)], [500, 500]],
    ["what a small one leaves", [stream(0, 1, 200), stream(0, 2, 2000)], [200, 800]],
    [
      "equal parts of a full link in, and the rest to others",
      [stream(0, 3, 900), stream(1, 3, 900), stream(1, 2, 900)],
      [500, 500, 500],
    ],
  ])("give %s", (_, streams, rates) => {
    share(streams, capacity);
    for (const [index, { rate }] of streams.entries())
      expect(rate).toBeCloseTo(rates[index] ?? 0, 0);
  });
});
