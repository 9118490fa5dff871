import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Migration } from "../../core/migration/migration.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import type { Bed } from "./bed.ts";
import { HOSTS } from "./bed.ts";
import { checkDisks, type Disks, disksIn, makeDisks, moveDisks } from "./disks.ts";
import type { GuestLink, WorkerName } from "./guest-link.ts";
import { lostMs } from "./lost-time.ts";
import { macOf, type Shape } from "./shapes.ts";

const UP_MS = 480_000;
const MOVE_MS = 180_000;
const PROGRESS_MS = 120_000;
const FINISH_MS = 180_000;
const STOP_MS = 60_000;
const CLOCK_MS = 60_000;
/** A busy machine answers late; a clock that was not set is off by years. */
const CLOCK_OFF_MS_MAX = 10_000;
const YEAR_MS = 365 * 86_400_000;
/** Ticks of this time before and after a move are compared: some of them are on time. */
const WINDOW_MS = 1_500;
const WORKERS: readonly WorkerName[] = ["ram", "raw", "cow"];
/** What each worker does at least between two moves. */
const STEPS = 5;

/** Of a guest whose disks are not shared: QEMU serves them to the source by TLS only. */
const COPYING = { tls: "psk", storage: { raw: "move", cow: "move" } } as const;

type ClockDetail = { outcome?: string; beforeMs?: number; afterMs?: number };

/** As `--json` prints it. */
export type GuestResult = {
  readonly name: string;
  moves: number;
  diskErrors: number;
  ramErrors: number;
  fsckClean: boolean;
  tcpAlive: boolean;
  readonly downtimeMs: number[];
  readonly blackoutMs: number[];
  readonly guestLostMs: number[];
};

export type GuestOutcome = { readonly result: GuestResult; readonly problems: string[] };

/** Boots a guest, moves it from host to host and back, lets it finish, and checks its disks. */
export class GuestRun {
  readonly #bed: Bed;
  readonly #shape: Shape;
  readonly #link: GuestLink;
  readonly #problems: string[] = [];
  readonly #result: GuestResult;

  constructor(bed: Bed, shape: Shape) {
    this.#bed = bed;
    this.#shape = shape;
    this.#link = bed.peer.link(shape.number);
    this.#result = {
      name: shape.name,
      moves: 0,
      diskErrors: 0,
      ramErrors: 0,
      fsckClean: false,
      tcpAlive: false,
      downtimeMs: [],
      blackoutMs: [],
      guestLostMs: [],
    };
  }

  /** What goes wrong is among the problems: a run that fails half-way has its half of the figures. */
  async run(moves: number): Promise<GuestOutcome> {
    const { name } = this.#shape;
    const folder = join(this.#bed.storage, name);
    try {
      const made = await makeDisks(this.#bed.rig, folder);
      const onHost = (host: string) =>
        this.#isCopied ? disksIn(made, this.#bed.imagesOf(host)) : made;
      await this.#start(this.#isCopied ? moveDisks(made, onHost(HOSTS[0])) : made);
      let host: string = HOSTS[0];
      for (let move = 0; move < moves; move += 1) {
        host = HOSTS[(move + 1) % HOSTS.length] ?? HOSTS[0];
        await this.#move(host, move);
      }
      await this.#finish();
      const problems = await checkDisks(this.#bed.rig, onHost(host));
      problems.push(...this.#leftOver(host));
      this.#problems.push(...problems);
      this.#result.fsckClean = problems.length === 0;
    } catch (error) {
      this.#problems.push(error instanceof Error ? error.message : String(error));
      this.#problems.push(...this.#bed.diagnosis(name));
    } finally {
      await this.#bed.fleet.api.deleteVm(name, { mode: "quit" }).catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
      for (const host of HOSTS) removeContents(this.#bed.imagesOf(host));
    }
    return { result: this.#result, problems: this.#problems };
  }

  get #isCopied(): boolean {
    return this.#shape.storage === "copied";
  }

  /** A disk that has moved is on no other host. */
  #leftOver(host: string): string[] {
    return HOSTS.filter((other) => other !== host)
      .flatMap((other) => readdirSync(this.#bed.imagesOf(other)))
      .map((file) => `${file} was left on the host that the guest moved from`);
  }

  async #start(disks: Disks): Promise<void> {
    const { fleet, print } = this.#bed;
    const { name } = this.#shape;
    await fleet.startVm(name, HOSTS[0], this.#shape.definition(disks));
    await this.#works(UP_MS);
    print(`${name}: has booted, and works`);
  }

  async #move(target: string, index: number): Promise<void> {
    const { fleet, print, network } = this.#bed;
    const { name } = this.#shape;
    await this.#works(PROGRESS_MS);
    const before = this.#lastTicks();
    const { id } = await fleet.api.createMigration({
      vm: name,
      target,
      policy: {
        ...(this.#isCopied ? COPYING : {}),
        ...(this.#shape.hasAgent ? { guestClock: "set" } : {}),
      },
    });
    const migration = await fleet.waitForMigration(id, { timeoutMs: MOVE_MS, everyMs: 200 });
    this.#record(migration, target);
    const lost = lostMs(before, await this.#ticksAfter(this.#nowMs()));
    this.#result.guestLostMs.push(Math.round(lost * 10) / 10);
    if (this.#shape.hasAgent) await this.#checkClock(id, index);
    const port = network.portOf(macOf(this.#shape.number));
    if (port !== target) this.#problems.push(`the switch sees ${name} at ${port}, not ${target}`);
    const { figures, blackoutMs = Number.NaN } = migration;
    print(
      `${name}: move ${index + 1} to ${target}: downtime ${figures?.downtimeMs} ms, ` +
        `blackout ${blackoutMs.toFixed(1)} ms, lost by the guest ${lost.toFixed(1)} ms, ` +
        `${((figures?.totalTimeMs ?? Number.NaN) / 1000).toFixed(1)} s`,
    );
  }

  #record(migration: Migration, target: string): void {
    const { id, status, failure, figures, blackoutMs, runningOn, twinCheck } = migration;
    this.#bed.addEqual(twinCheck);
    if (status !== "completed" || runningOn !== target) {
      throw new Error(`${id} is ${status} on ${runningOn}: ${failure?.code} ${failure?.message}`);
    }
    if (figures === undefined || blackoutMs === undefined) {
      throw new Error(`${id} has no figures: ${JSON.stringify(migration)}`);
    }
    this.#result.moves += 1;
    this.#result.downtimeMs.push(figures.downtimeMs);
    this.#result.blackoutMs.push(blackoutMs);
  }

  /** Before its first move the guest's clock is wrong by years. */
  async #checkClock(id: Migration["id"], index: number): Promise<void> {
    const { fleet, print } = this.#bed;
    const { name } = this.#shape;
    const { detail } = await waitUntil(
      `the clock of ${name} to be set`,
      async () => {
        const { items } = await fleet.api.getTimeline(id);
        return items.find(({ type }) => type === "migration.guest-clock");
      },
      { timeoutMs: CLOCK_MS, everyMs: 200 },
    );
    const { outcome, beforeMs = 0, afterMs = Number.NaN } = detail as ClockDetail;
    const isSet = outcome === "set" && Math.abs(afterMs) < CLOCK_OFF_MS_MAX;
    const wasWrong = index > 0 || beforeMs < -YEAR_MS;
    if (!isSet || !wasWrong)
      this.#problems.push(`the clock was not set: ${JSON.stringify(detail)}`);
    print(`${name}: its clock was off by ${beforeMs} ms, and is by ${afterMs} ms`);
  }

  async #finish(): Promise<void> {
    const { peer, fleet, print } = this.#bed;
    const { name, number } = this.#shape;
    await this.#works(PROGRESS_MS);
    peer.finish(number);
    await this.#waitFor("the guest to finish", () => this.#link.last?.ended, FINISH_MS);
    const { ram, raw, cow } = this.#link.last?.workers ?? {};
    this.#result.ramErrors = ram?.errors ?? Number.NaN;
    this.#result.diskErrors = (raw?.errors ?? Number.NaN) + (cow?.errors ?? Number.NaN);
    const { isWhole, last } = this.#link;
    this.#result.tcpAlive = isWhole && (last?.echoed ?? 0) > (last?.seq ?? 0) - 500;
    peer.bye(number);
    await waitUntil(
      `${name} to power off`,
      async () => ((await fleet.api.getVm(name)).state === "stopped" ? true : undefined),
      { timeoutMs: STOP_MS, everyMs: 100 },
    );
    const done = WORKERS.map((worker) => `${worker} ${last?.workers[worker]?.steps}`).join(", ");
    print(`${name}: has finished: ${last?.seq} ticks, ${done} steps`);
    const { ramErrors, diskErrors, tcpAlive } = this.#result;
    if (ramErrors > 0) this.#problems.push(`${ramErrors} pages of memory differ`);
    if (diskErrors > 0) this.#problems.push(`${diskErrors} errors of disks`);
    if (!tcpAlive) this.#problems.push("the connection is not whole");
  }

  /** Each worker of the guest goes on: it does some steps from now on. */
  async #works(timeoutMs: number): Promise<void> {
    const { name } = this.#shape;
    const start = this.#link.last?.workers;
    const goesOn = (worker: WorkerName) =>
      (this.#link.last?.workers[worker]?.steps ?? 0) >= (start?.[worker]?.steps ?? 0) + STEPS;
    await this.#waitFor(`the workers of ${name}`, () => WORKERS.every(goesOn), timeoutMs);
  }

  async #waitFor<T>(what: string, done: () => T | undefined, timeoutMs: number): Promise<T> {
    const { peer } = this.#bed;
    const probe = () => {
      const { closed } = this.#link;
      if (closed !== undefined) throw new Error(`The guest's connection was closed ${closed}`);
      return done() || undefined;
    };
    return await peer.wait(what, probe, timeoutMs);
  }

  /** On a busy machine the newest tick may be some time ago. */
  #lastTicks() {
    const { atMs = 0 } = this.#link.last ?? {};
    return this.#link.ticks(atMs - WINDOW_MS, atMs);
  }

  /** Those of the first window in which the guest is heard again. */
  async #ticksAfter(fromMs: number) {
    const window = () => {
      const heard = this.#link.ticks(fromMs, Number.POSITIVE_INFINITY);
      const untilMs = (heard[0]?.atMs ?? Number.POSITIVE_INFINITY) + WINDOW_MS;
      const isOver = (heard.at(-1)?.atMs ?? 0) >= untilMs;
      return isOver ? heard.filter(({ atMs }) => atMs <= untilMs) : undefined;
    };
    return await this.#waitFor("ticks after the move", window, PROGRESS_MS);
  }

  /** The peer's clock: all processes of a machine have the same one. */
  #nowMs(): number {
    return Number(process.hrtime.bigint()) / 1e6;
  }
}

function removeContents(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
}
