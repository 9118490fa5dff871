import { moveFacts } from "../../core/plan/estimate.ts";
import { type Done, remainingMs } from "../../core/plan/eta.ts";
import { Execution, type Held } from "../../core/plan/execution.ts";
import { lowerBound } from "../../core/plan/lower-bound.ts";
import type { Move } from "../../core/plan/move.ts";
import { type Draft, draftPlan, executionInput } from "../../core/plan/plan.ts";
import { random } from "../../core/plan/random.ts";
import { sum } from "../../core/plan/sums.ts";
import { checkLog, checkPlaces } from "./check.ts";
import { type DrawnFleet, drawFleet, type Shape } from "./fleets.ts";
import { type Limits, oneAtATime, RivalStarter, type Starter } from "./rivals.ts";
import { Simulation } from "./simulate.ts";
import type { Transfer } from "./transfer.ts";
import { drawTruth, type Truth, trueMove } from "./truth.ts";

/** What one evacuation of one fleet came to. */
export type Figures = {
  readonly ratio: number;
  readonly bytesRatio: number;
  readonly downtimesMs: readonly number[];
  readonly aloneDowntimesMs: readonly number[];
  /** |estimated − real end| / real end, from what was seen until half of the time. */
  readonly halfwayEtaError?: number;
  readonly movesPerVm: number;
  readonly unplaced: number;
  readonly overshoots: number;
  /** Of what remained after the first failure: time / lower bound. */
  readonly ratioAfterFailure?: number;
};

export type RivalFigures = {
  readonly ratio: number;
  readonly bytesRatio: number;
  readonly downtimesMs: readonly number[];
};

/** When something failed, and the lower bound of what remained then. Both in ms. */
type Failure = { readonly at: number; readonly boundMs: number };

/** One try in so many fails where VMs fail. */
const FAILURE_SHARE = 0.04;
/** A target dies after this share of the predicted time. */
const DEATH_SHARE = 0.3;

/** A fleet, its plan, and how its migrations truly are. */
export class Trial {
  readonly shape: Shape;
  readonly fleet: DrawnFleet;
  readonly draft: Draft;
  readonly truths: ReadonlyMap<string, Truth>;
  readonly #seed: number;

  constructor(shape: Shape, { seed, sigma }: { seed: number; sigma: number }) {
    this.shape = shape;
    this.#seed = seed;
    this.fleet = drawFleet(shape, seed);
    this.draft = draftPlan(this.fleet.snapshot, this.fleet.options);
    this.truths = drawTruth(this.fleet.snapshot.vms, this.fleet.options, { sigma, seed });
  }

  get boundMs(): number {
    return this.#boundOf(this.draft.assignment.moves);
  }

  run(): Figures {
    const { snapshot, options } = this.fleet;
    const simulation = this.#start(new Execution(executionInput(this.draft)));
    let failure: Failure | undefined;
    if (this.shape.faults === "host") {
      simulation.run(this.draft.schedule.endMs * DEATH_SHARE);
      failure = { at: simulation.now, boundMs: this.#loseTarget(simulation) };
    }
    simulation.run();
    const { log } = simulation;
    const endMs = endOf(simulation);
    failure ??= this.#firstFailure(log);
    const alone = this.#simulateRival(oneAtATime);
    const vms = new Set(log.map(({ move }) => move.guest.vm.id));
    return {
      ratio: endMs / this.boundMs,
      bytesRatio: sum(log, ({ bytes }) => bytes) / this.#aloneBytes(log.map(({ move }) => move)),
      downtimesMs: completed(log).map(({ downtimeMs }) => downtimeMs),
      aloneDowntimesMs: completed(alone.log).map(({ downtimeMs }) => downtimeMs),
      // A plan that was replaced underway has no half of its own.
      ...(this.shape.faults === "host" ? {} : { halfwayEtaError: this.#etaError(endMs) }),
      movesPerVm: vms.size === 0 ? 1 : completed(log).length / vms.size,
      unplaced: this.draft.assignment.unplaced.length,
      overshoots:
        checkLog(log, snapshot, options.streamBytesPerSecond).length +
        checkPlaces(log, snapshot).length,
      ...(failure === undefined
        ? {}
        : { ratioAfterFailure: (endMs - failure.at) / failure.boundMs }),
    };
  }

  /** When a VM failed first, and the lower bound of what remained then. */
  #firstFailure(log: Simulation["log"]): Failure | undefined {
    const first = log.find(({ ended }) => ended === "failed");
    if (first === undefined) return undefined;
    const simulation = this.#start(new Execution(executionInput(this.draft)));
    simulation.run(first.endAt);
    const { now, transfers, loading } = simulation;
    const over = new Set(completed(simulation.log).map(({ move }) => move));
    const flying = new Set([...transfers, ...loading.keys()].map(({ move }) => move));
    const waiting = this.draft.assignment.moves.filter(
      (move) => !over.has(move) && !flying.has(move),
    );
    const rest = [...transfers].map((transfer) => restOf(transfer, now));
    return { at: now, boundMs: this.#boundOf([...waiting, ...rest]) };
  }

  runRival(limits: Limits): RivalFigures {
    const simulation = this.#simulateRival(limits);
    const { log } = simulation;
    return {
      ratio: endOf(simulation) / this.boundMs,
      bytesRatio: sum(log, ({ bytes }) => bytes) / this.#aloneBytes(log.map(({ move }) => move)),
      downtimesMs: completed(log).map(({ downtimeMs }) => downtimeMs),
    };
  }

  #simulateRival(limits: Limits): Simulation {
    const { table } = this.draft.fleet;
    const { moves } = this.draft.assignment;
    // In the order of the list of VMs: none of these systems sorts by duration.
    const listed = new Map(this.fleet.snapshot.vms.map(({ id }, index) => [id as string, index]));
    const place = ({ guest }: Move) => listed.get(guest.vm.id) ?? 0;
    const starter = new RivalStarter(
      limits,
      moves.toSorted((one, other) => place(one) - place(other)),
    );
    const simulation = this.#start(starter, ({ source, target, estimate }) =>
      limits === oneAtATime
        ? estimate.bytesPerSecond
        : Math.min(limits.bytesPerSecond, table.rate(source, target)),
    );
    simulation.run();
    return simulation;
  }

  #start(starter: Starter, cap = (move: Move) => move.estimate.bytesPerSecond): Simulation {
    const { options } = this.fleet;
    const draw = random(this.#seed + 1);
    const failsAfter = () => (draw.next() < FAILURE_SHARE ? draw.next() : undefined);
    return new Simulation({
      table: this.draft.fleet.table,
      options,
      starter,
      truths: this.truths,
      cap,
      ...(this.shape.faults === "vms" ? { failsAfter } : {}),
    });
  }

  /** Runs to half of the real time, and compares the end that is expected then with the real one. */
  #etaError(endMs: number): number {
    const simulation = this.#start(new Execution(executionInput(this.draft)));
    simulation.run(endMs / 2);
    const { assignment } = this.draft;
    const { options } = this.fleet;
    const begun = new Set<Move>();
    for (const { move } of simulation.log) begun.add(move);
    for (const transfer of simulation.transfers) begun.add(transfer.move);
    for (const transfer of simulation.loading.keys()) begun.add(transfer.move);
    const left = remainingMs({
      input: {
        ...executionInput(this.draft),
        moves: assignment.moves.filter((move) => !begun.has(move)),
        held: heldBy(simulation, options),
        ...backOf(simulation, assignment.order, options.returnAfterMs),
      },
      preparingMs: (move) => {
        if (simulation.ready.has(move)) return Number.POSITIVE_INFINITY;
        const since = simulation.preparing.get(move);
        return since === undefined ? 0 : simulation.now - since;
      },
      done: doneOf(simulation.log),
    });
    return Math.abs(endMs / 2 + left - endMs) / endMs;
  }

  /** The first target falls silent; the rest is planned again. Returns the bound of what is left. */
  #loseTarget(simulation: Simulation): number {
    const dead = this.draft.assignment.moves[0]?.target ?? 0;
    for (const transfer of [...simulation.transfers, ...simulation.loading.keys()]) {
      if (transfer.target === dead) simulation.fail(transfer);
    }
    const { options, snapshot } = this.fleet;
    const places = new Map<string, number>(
      completed(simulation.log).map(({ move }) => [move.guest.vm.id, move.target]),
    );
    const inFlight = new Map<string, Held>(
      heldBy(simulation, options).map((held) => [held.vm, held]),
    );
    const idOf = (host: number) => this.draft.fleet.table.row(host).host.id;
    const planned = new Map<string, number>(
      this.draft.assignment.moves.map(({ guest, target }) => [guest.vm.id, target]),
    );
    const vms = snapshot.vms.map((vm) => {
      const target = planned.get(vm.id);
      const place = places.get(vm.id);
      const held = inFlight.get(vm.id);
      return {
        ...vm,
        ...(target === undefined ? {} : { plannedTarget: idOf(target) }),
        ...(place === undefined ? {} : { host: idOf(place) }),
        ...(held === undefined
          ? {}
          : {
              inFlight: {
                target: idOf(held.target),
                endsInMs: held.endsInMs,
                bytesPerSecond: options.streamBytesPerSecond,
              },
            }),
      };
    });
    const hosts = snapshot.hosts.map((host, index) =>
      index === dead ? { ...host, state: "silent" as const } : host,
    );
    const draft = draftPlan({ ...snapshot, hosts, vms }, options);
    const rest = [...simulation.transfers].map((transfer) => restOf(transfer, simulation.now));
    const bound = this.#boundOf([...draft.assignment.moves, ...rest]);
    simulation.replaceStarter(new Replanned(draft, heldBy(simulation, options)));
    return bound;
  }

  #boundOf(moves: readonly Move[]): number {
    const { options } = this.fleet;
    const { keeping } = this.draft.assignment;
    const truly = moves.map((move) => {
      const truth = this.truths.get(move.guest.vm.id);
      return truth === undefined || isRest(move) ? move : trueMove(move, truth, options);
    });
    return lowerBound(truly, { table: this.draft.fleet.table, options, keeping, held: [] }).ms;
  }

  #aloneBytes(moves: readonly Move[]): number {
    return sum([...new Set(moves)], (move) => {
      const truth = this.truths.get(move.guest.vm.id);
      return truth === undefined ? 0 : trueMove(move, truth, this.fleet.options).estimate.bytes;
    });
  }
}

/** Carries on a new plan while migrations of the old one are in flight. */
class Replanned implements Starter {
  readonly #execution: Execution;
  readonly #held: ReadonlyMap<string, Held>;

  constructor(draft: Draft, held: readonly Held[]) {
    this.#execution = new Execution({ ...executionInput(draft), held });
    this.#held = new Map(held.map((one) => [one.vm, one]));
  }

  prepared(move: Move): void {
    this.#execution.prepared(move);
  }

  ended(move: Move): void {
    const held = this.#held.get(move.guest.vm.id);
    if (held === undefined) this.#execution.ended(move);
    else this.#execution.released(held);
  }

  failed(move: Move): void {
    this.#execution.failed(move);
  }

  returned(host: number): void {
    this.#execution.returned(host);
  }

  next() {
    return this.#execution.next();
  }
}

function heldBy(simulation: Simulation, options: DrawnFleet["options"]): Held[] {
  const { now } = simulation;
  const flying = [...simulation.transfers].map((transfer) => ({
    source: transfer.source,
    target: transfer.target,
    endsInMs: expectedEnd(transfer, now, options),
    vm: transfer.move.guest.vm.id as string,
  }));
  const loading = [...simulation.loading].map(([transfer, endAt]) => ({
    source: transfer.source,
    target: transfer.target,
    endsInMs: endAt - now,
    vm: transfer.move.guest.vm.id as string,
  }));
  return [...flying, ...loading];
}

function expectedEnd(transfer: Transfer, now: number, options: DrawnFleet["options"]): number {
  const { vm, downtimeLimitMs } = transfer.move.guest;
  const pair = { streamBytesPerSecond: transfer.cap, downtimeLimitMs };
  const facts = moveFacts(vm, options, pair);
  return transfer.remaining(now, facts).ms + facts.loadMs + options.finishMs;
}

const rests = new WeakSet<Move>();

/** What is left of a migration in flight, as a migration that is prepared already. */
function restOf(transfer: Transfer, now: number): Move {
  const { move } = transfer;
  const { bytes, ms } = transfer.remaining(now);
  const left = { ...move.estimate, bytes, slotMs: ms + transfer.truth.loadMs, prepareMs: 0 };
  const rest = { ...move, estimate: left, guest: { ...move.guest, estimate: () => left } };
  rests.add(rest);
  return rest;
}

function isRest(move: Move): boolean {
  return rests.has(move);
}

/** Of hosts that come back: which are, and when the others will be. */
function backOf(simulation: Simulation, order: readonly number[], returnAfterMs = 0) {
  const { now, emptiedAt } = simulation;
  const back = [...emptiedAt].map(([host, at]) => ({ host, inMs: at + returnAfterMs - now }));
  const returned = new Set(back.filter(({ inMs }) => inMs <= 0).map(({ host }) => host));
  return {
    order: order.filter((host) => !returned.has(host)),
    returned,
    backInMs: new Map(back.filter(({ inMs }) => inMs > 0).map(({ host, inMs }) => [host, inMs])),
  };
}

/** What the migrations that are over have shown; the tries that failed before count as their time. */
function doneOf(log: Simulation["log"]): Done[] {
  const tries = Map.groupBy(log, ({ move }) => move);
  return completed(log).map(({ move, prepareAt, readyAt }) => ({
    realMs: sum(tries.get(move) ?? [], ({ startAt, endAt }) => endAt - startAt),
    predictedMs: move.estimate.slotMs,
    preparedMs: readyAt - prepareAt,
    predictedPrepareMs: move.estimate.prepareMs,
  }));
}

function completed(log: Simulation["log"]) {
  return log.filter(({ ended }) => ended === "completed");
}

function endOf({ log }: Simulation): number {
  return log.reduce((last, { endAt }) => Math.max(last, endAt), 0);
}
