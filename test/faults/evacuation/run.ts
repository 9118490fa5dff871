import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../../client/api-error.ts";
import type { Client } from "../../../client/client.ts";
import type { Evacuation } from "../../../core/evacuation/evacuation.ts";
import { isFinalEvacuation } from "../../../core/evacuation/life.ts";
import { waitUntil } from "../../../rig/wait-until.ts";
import type { Closure } from "../../evacuation/testing/check-starts.ts";
import { type Act, HOSTS } from "./acts.ts";
import { type EvacuationBed, GUESTS } from "./bed.ts";

/** A lost execution is found by a sweep, and a silent agent is waited for. */
const END_MS = 400_000;
const POLL_MS = 250;
/** Longer than any run: a change freeze is ended by hand. */
const HOUR_MS = 3_600_000;

/** What a run did and saw, for the check. */
export type EvacuationTrace = {
  readonly id: string;
  readonly host: string;
  readonly ended: Evacuation;
  /** Where each guest was at the beginning. */
  readonly places: ReadonlyMap<string, string>;
  readonly startedAt: number;
  /** Accepted requests, with the time of their answers. */
  readonly accepted: readonly { readonly kind: string; readonly at: number }[];
  /** When nothing was to begin: from the answer to a request to the one that ends it. */
  readonly closures: readonly Closure[];
  /** What was wrong in an answer. */
  readonly found: readonly string[];
};

/** One evacuation under its acts, to its end: pauses that nobody has ended are ended then. */
export class EvacuationRun {
  readonly #bed: EvacuationBed;
  readonly #acts: readonly Act[];
  readonly #startedAt = Date.now();
  readonly #accepted: { kind: string; at: number }[] = [];
  readonly #closures: Closure[] = [];
  readonly #found: string[] = [];
  #pausedAt: number | undefined;
  #cancelledAt: number | undefined;
  #id = "";
  #host = "";

  constructor(bed: EvacuationBed, acts: readonly Act[]) {
    this.#bed = bed;
    this.#acts = acts;
  }

  /** @throws Error when it does not end */
  async go(): Promise<EvacuationTrace> {
    const places = await this.#places();
    this.#host = fullest(places);
    const { id, version } = await this.#bed.plan(this.#host);
    this.#id = id;
    await this.#bed.ask((api) => api.approveEvacuation(id, version));
    const approvedAt = Date.now();
    for (const act of this.#acts) {
      await sleep(Math.max(0, approvedAt + act.atMs - Date.now()));
      await this.#act(act);
    }
    const ended = await this.#end();
    return {
      id,
      host: this.#host,
      ended,
      places,
      startedAt: this.#startedAt,
      accepted: this.#accepted,
      closures: this.#closures,
      found: this.#found,
    };
  }

  async #places(): Promise<Map<string, string>> {
    const { items } = await this.#bed.ask((api) => api.listVms({ limit: 100 }));
    return new Map(items.map(({ id, host }) => [id, host]));
  }

  async #act({ kind, forMs, which }: Act): Promise<void> {
    const id = this.#id;
    const by = { by: "chaos" };
    switch (kind) {
      case "kill-coordinator":
        return this.#bed.killCoordinator(forMs);
      case "kill-agent":
        return this.#bed.killAgent(HOSTS[which % HOSTS.length] ?? HOSTS[0], forMs);
      case "pause":
        if (await this.#request(kind, (api) => api.pauseEvacuation(id, by))) {
          this.#pausedAt ??= Date.now();
        }
        return;
      case "resume":
        return this.#resume();
      case "cancel":
        if (await this.#request(kind, (api) => api.cancelEvacuation(id, by))) {
          this.#cancelledAt ??= Date.now();
        }
        return;
      case "rollback":
        // It ends the pauses, and what it moves back may start.
        this.#endPause();
        this.#endCancel();
        await this.#request(kind, (api) => api.rollBackEvacuation(id, by));
        return;
      case "skip": {
        const vm = GUESTS[which % GUESTS.length] ?? GUESTS[0];
        await this.#request(kind, (api) => api.skipEvacuationVm(id, vm, by));
        return;
      }
      case "uncordon":
        await this.#request(kind, (api) => api.uncordonHost(this.#host, { owner: "chaos" }));
        return;
      case "cancel-migration":
        return this.#cancelMigration();
      case "cordon":
        return this.#cordon(which, forMs);
      case "freeze":
        return this.#freeze(forMs);
    }
  }

  async #resume(): Promise<void> {
    this.#endPause();
    await this.#request("resume", (api) => api.resumeEvacuation(this.#id, { by: "chaos" }));
  }

  #endPause(): void {
    if (this.#pausedAt !== undefined) this.#closed("it was paused", this.#pausedAt);
    this.#pausedAt = undefined;
  }

  #endCancel(): void {
    if (this.#cancelledAt !== undefined) this.#closed("it was cancelled", this.#cancelledAt);
    this.#cancelledAt = undefined;
  }

  #closed(what: string, fromMs: number, target?: string): void {
    this.#closures.push({ what, fromMs, toMs: Date.now(), target });
  }

  /** A person closes a target for a while. */
  async #cordon(which: number, forMs: number): Promise<void> {
    const targets = HOSTS.filter((host) => host !== this.#host);
    const host = targets[which % targets.length] ?? HOSTS[0];
    const owner = { owner: "chaos" };
    if (!(await this.#request("cordon", (api) => api.cordonHost(host, owner)))) return;
    const fromMs = Date.now();
    await sleep(forMs);
    this.#closed(`${host} was cordoned`, fromMs, host);
    await this.#request("open", (api) => api.uncordonHost(host, owner));
  }

  /** The calendar closes everything for a while. */
  async #freeze(forMs: number): Promise<void> {
    const wall = (ms: number) => new Date(ms).toISOString().slice(0, "2026-01-01T00:00".length);
    const until = wall(Date.now() + HOUR_MS);
    const period = { from: wall(Date.now()), until, zone: "UTC", owner: "chaos" };
    const { id } = await this.#bed.ask((api) => api.createChangeFreeze(period));
    const fromMs = Date.now();
    await sleep(forMs);
    // A rollback is a person's order: no freeze holds it.
    const goesBack = this.#accepted.some((one) => one.kind === "rollback");
    if (!goesBack) this.#closed("a change freeze held", fromMs);
    await this.#request("thaw", async (api) => {
      await api.deleteChangeFreeze(id);
      return true;
    });
  }

  async #cancelMigration(): Promise<void> {
    const { items } = await this.#bed.ask((api) => api.listEvacuationMoves(this.#id));
    const migration = items.find(({ state }) => state === "moving")?.migration;
    if (migration === undefined) return;
    await this.#request("cancel-migration", (api) => api.cancelMigration(migration));
  }

  /** True when it was accepted. What the state does not allow is refused, which changes nothing. */
  async #request(kind: string, call: (api: Client) => Promise<unknown>): Promise<boolean> {
    try {
      await this.#bed.ask(call);
      this.#accepted.push({ kind, at: Date.now() });
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { code, detail } = error.problem;
      const isSaid = code !== undefined && detail !== undefined;
      if (![404, 409].includes(error.status) || !isSaid) {
        this.#found.push(`${kind}: ${error.message}`);
      }
      return false;
    }
  }

  async #end(): Promise<Evacuation> {
    return waitUntil(
      `the end of ${this.#id}`,
      async () => {
        const now = await this.#bed.ask((api) => api.getEvacuation(this.#id));
        this.#checkCounters(now);
        if (isFinalEvacuation(now.status)) {
          this.#endPause();
          this.#endCancel();
          return now;
        }
        if (now.pauses.length > 0) await this.#help(now);
        return undefined;
      },
      { timeoutMs: END_MS, everyMs: POLL_MS },
    );
  }

  /** What a person does whom it waits for. */
  async #help({ pauses, version, unknownVms }: Evacuation): Promise<void> {
    await this.#resume();
    if (pauses.some(({ reason }) => reason === "tolerance")) {
      await this.#request("approve", (api) => api.approveEvacuation(this.#id, version));
    }
    for (const vm of unknownVms) await this.#request("reconcile", (api) => api.reconcileVm(vm));
  }

  #checkCounters({ counters }: Evacuation): void {
    const { total, ...others } = counters;
    const sum = Object.values(others).reduce((all, count) => all + count, 0);
    if (sum !== total) this.#found.push(`the counters do not sum: ${JSON.stringify(counters)}`);
  }
}

/** The host with the most guests. */
function fullest(places: ReadonlyMap<string, string>): string {
  const guests = (host: string) => [...places.values()].filter((place) => place === host).length;
  return [...HOSTS].toSorted((one, other) => guests(other) - guests(one))[0] ?? HOSTS[0];
}
