import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import { facts } from "../functions/testing/fixtures.ts";
import { operate } from "../functions/testing/fleet.ts";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";
import { MEMORY_BYTES } from "./testing/hosts.ts";
import { Killer } from "./testing/killer.ts";
import { sweep } from "./testing/lost-executions.ts";

/** Real time for one series of kills on a busy machine. */
const PATIENCE_MS = 1_200_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const ONE_SLOT = { slotsOut: 1, slotsIn: 1 };
/** Kills of one test: its first one is after so many writes. */
const KILLS = 10;
const starts = Array.from({ length: 12 }, (_, index) => 1 + index * KILLS);
/** An end of a migration has fewer writes. */
const startsOfEnd = starts.slice(0, 6);

const killer = new Killer();
let harness: EvacuationHarness;

beforeAll(async () => {
  harness = await EvacuationHarness.start({ observe: killer.observe });
});
afterAll(() => harness?.close());

type Fleet = Record<string, string>;

/** Host `a` with two guests, and room on `b`. */
async function fleet(): Promise<Fleet> {
  killer.after(Number.POSITIVE_INFINITY);
  return harness.fleet({ a: 2, b: 0 }, ONE_SLOT);
}

/** Each step of the workflow, or each end of a migration, is a process that may be killed. */
function strike(...states: string[]): void {
  harness.intercept = (state, call) => (states.includes(state) ? killer.process(call) : call());
}

/** Calls `work` with this many writes before the kill and more, until it does fewer than that. */
async function forEachWrite(
  first: number,
  work: (writeCount: number) => Promise<void>,
): Promise<void> {
  for (let writeCount = first; writeCount < first + KILLS; writeCount += 1) {
    await work(writeCount);
    if (killer.killed === 0) {
      expect(writeCount).toBeGreaterThan(1);
      return;
    }
  }
}

async function cordonsOf(host = ""): Promise<string[]> {
  const { body } = await operate("GET", `/v1/hosts/${host}`);
  return (body.cordons as { owner: string }[]).map(({ owner }) => owner);
}

/** What holds after every end, whoever was killed. */
async function expectSound({ id, status }: Evacuation, { a }: Fleet): Promise<void> {
  expect(harness.guests.hasRunTwice).toBe(false);
  expect(await harness.leftovers(id)).toEqual([]);
  const isKept = ["completed", "completed-with-remainder"].includes(status);
  expect(await cordonsOf(a)).toEqual(isKept ? [id] : []);
  expect((await harness.moves(id)).every(({ tries }) => tries.length <= 2)).toBe(true);
}

const places = () => [...harness.guests.places.values()];

describe("whichever write a step of the workflow is killed after", () => {
  it.each(starts)("each guest is moved once, and the host is emptied: from %i", async (first) => {
    await forEachWrite(first, async (writeCount) => {
      const hosts = await fleet();
      const { id } = await harness.plan([hosts.a ?? ""]);
      strike("Advance");
      killer.after(writeCount);
      await harness.act(id, "approve", { version: 1 });
      const ended = await harness.end(id);
      expect(ended).toMatchObject({ status: "completed", counters: { total: 2, moved: 2 } });
      expect((await harness.moves(id)).map(({ tries }) => tries.length)).toEqual([1, 1]);
      expect(places()).toEqual([hosts.b, hosts.b]);
      await expectSound(ended, hosts);
    });
  });

  it.each(starts)("a cancel ends it, and gives the cordon back: from %i", async (first) => {
    await forEachWrite(first, async (writeCount) => {
      const hosts = await fleet();
      const { id } = await harness.plan([hosts.a ?? ""]);
      strike("Advance");
      killer.after(writeCount);
      await harness.act(id, "approve", { version: 1 });
      while (killer.killed === 0 && (await harness.read(id)).status !== "completed") {
        const calls = harness.calls.length;
        await harness.runUntilIdle();
        if (calls === harness.calls.length) harness.skip();
      }
      const before = await harness.read(id);
      if (killer.killed === 0) return;
      const asked = await operate("POST", `/v1/evacuations/${id}/cancel`, { by: "ada" });
      const ended = await harness.end(id);
      if (asked.status === 202) expect(ended.status).toBe("cancelled");
      else expect(before.status).toBe("completed");
      const moved = places().filter((place) => place === hosts.b).length;
      expect(ended.counters.moved).toBe(moved);
      await expectSound(ended, hosts);
    });
  });

  it.each(starts)("a rollback brings each guest home, once: from %i", async (first) => {
    await forEachWrite(first, async (writeCount) => {
      const hosts = await fleet();
      const { id } = await harness.begin([hosts.a ?? ""]);
      await harness.end(id);
      strike("Advance");
      killer.after(writeCount);
      await harness.act(id, "rollback", { by: "ada" });
      await harness.act(id, "rollback", { by: "bob" });
      const ended = await harness.end(id);
      expect(ended).toMatchObject({ status: "rolled-back", counters: { total: 2, moved: 2 } });
      expect(places()).toEqual([hosts.a, hosts.a]);
      await expectSound(ended, hosts);
    });
  });
});

describe("room that appears, whichever write a step is killed after,", () => {
  it.each(starts.slice(0, 4))(
    "makes one version, by which the guest moves once: from %i",
    async (first) => {
      await forEachWrite(first, async (writeCount) => {
        killer.after(Number.POSITIVE_INFINITY);
        const hosts = await harness.fleet({ a: 2, b: 0, c: 0 }, ONE_SLOT);
        const small = { ...facts, memoryBytes: MEMORY_BYTES };
        await harness.guests.agents[1]?.send("register", { host: hosts.b, facts: small });
        await operate("POST", `/v1/hosts/${hosts.c}/cordon`, { owner: "ops" });
        for (const name of ["a1", "a2"]) {
          harness.guests.courses.set(harness.vm(name), ["held", "completes"]);
        }
        const { id } = await harness.begin([hosts.a ?? ""], { tolerance: { newTargets: true } });
        await harness.until(id, ({ counters }) => counters.moving === 1);
        strike("Advance");
        killer.after(writeCount);
        await operate("POST", `/v1/hosts/${hosts.c}/uncordon`, { owner: "ops" });
        const ended = await harness.end(id, () => harness.guests.releaseAll());
        expect(ended).toMatchObject({ status: "completed", version: 2, counters: { moved: 2 } });
        expect((await harness.moves(id)).map(({ tries }) => tries.length)).toEqual([1, 1]);
        expect(places().toSorted()).toEqual([hosts.b, hosts.c]);
        await expectSound(ended, hosts);
      });
    },
  );
});

/** A request of a person, killed after so many of its writes. */
async function killed(writeCount: number, path: string, body: object): Promise<void> {
  killer.after(writeCount);
  await killer.process(() => operate("POST", path, body)).catch(() => undefined);
}

/** The sweep finds what nobody has started; an hour passes without a wake. */
async function recover(id: string): Promise<void> {
  harness.clock.setTimeout(() => undefined, 61_000);
  const untilMs = harness.clock.now() + 61_000;
  while (harness.clock.now() < untilMs) {
    await harness.runUntilIdle();
    harness.skip();
  }
  const { evacuations } = await sweep();
  expect(evacuations.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  await harness.read(id);
}

/** What a person asks for while the first guest is in flight, and how the evacuation ends then. */
const requests = {
  "moves/{other}/skip": { status: "completed-with-remainder" },
  cancel: { status: "cancelled" },
  rollback: { status: "rolled-back" },
  pause: { status: "paused" },
} as const;

describe("whichever write of a move's end the functions are killed after", () => {
  it.each(startsOfEnd)("a retry and an arrival are recorded once: from %i", async (first) => {
    await forEachWrite(first, async (writeCount) => {
      const hosts = await fleet();
      harness.guests.courses.set(harness.vm("a1"), ["breaks", "completes"]);
      const { id } = await harness.plan([hosts.a ?? ""]);
      strike("Complete", "EndMigration");
      killer.after(writeCount);
      await harness.act(id, "approve", { version: 1 });
      const ended = await harness.end(id);
      expect(ended).toMatchObject({ status: "completed", counters: { total: 2, moved: 2 } });
      expect((await harness.moves(id)).map(({ tries }) => tries.length)).toEqual([2, 1]);
      expect(places()).toEqual([hosts.b, hosts.b]);
      await expectSound(ended, hosts);
    });
  });

  it.each(starts)(
    "a target that refuses a guest is replaced by a version: from %i",
    async (first) => {
      await forEachWrite(first, async (writeCount) => {
        killer.after(Number.POSITIVE_INFINITY);
        const hosts = await harness.fleet({ a: 1, b: 0, c: 0 }, ONE_SLOT);
        harness.guests.courses.set(harness.vm("a1"), ["refused", "completes"]);
        const tolerance = { newTargets: true, endShare: 10 };
        const { id } = await harness.plan([hosts.a ?? ""], { tolerance });
        strike("Advance", "EndMigration");
        killer.after(writeCount);
        await harness.act(id, "approve", { version: 1 });
        const ended = await harness.end(id);
        expect(ended).toMatchObject({ status: "completed", version: 2, counters: { moved: 1 } });
        const [{ tries } = { tries: [] }] = await harness.moves(id);
        expect(new Set(tries.map(({ target }) => target)).size).toBe(2);
        await expectSound(ended, hosts);
      });
    },
  );
});

describe("whichever write the API is killed after", () => {
  it.each([true, false])("an approval starts one execution (repeated: %s)", async (isRepeated) => {
    await forEachWrite(1, async (writeCount) => {
      const hosts = await fleet();
      const { id } = await harness.plan([hosts.a ?? ""]);
      await killed(writeCount, `/v1/evacuations/${id}/approve`, { version: 1 });
      const { approvedVersion } = await harness.read(id);
      if (!isRepeated && approvedVersion === undefined) return;
      if (isRepeated) await harness.act(id, "approve", { version: 1 });
      else await recover(id);
      const ended = await harness.end(id);
      expect(ended).toMatchObject({ status: "completed", counters: { moved: 2 } });
      expect(ended.executionArn).toMatch(new RegExp(`:${id}-1$`));
      await expectSound(ended, hosts);
    });
  });

  const cases = Object.entries(requests).flatMap(([action, end]) =>
    [true, false].map((isRepeated) => [action, isRepeated, end] as const),
  );
  it.each(cases)("%s is done as a whole (repeated: %s)", async (action, isRepeated, end) => {
    await forEachWrite(1, async (writeCount) => {
      const hosts = await fleet();
      for (const name of ["a1", "a2"]) {
        harness.guests.courses.set(harness.vm(name), ["held", "completes"]);
      }
      const { id } = await harness.begin([hosts.a ?? ""]);
      await harness.until(id, ({ counters }) => counters.moving === 1);
      const [first = ""] = harness.guests.held;
      const other = [...harness.guests.places.keys()].find((vm) => vm !== first) ?? "";
      const path = `/v1/evacuations/${id}/${action.replace("{other}", other)}`;
      await killed(writeCount, path, { by: "ada" });
      if (isRepeated) expect((await operate("POST", path, { by: "ada" })).status).toBe(202);
      if (action === "pause") {
        await harness.guests.release(first);
        const quiet = await harness.until(id, ({ counters }) => counters.moving === 0);
        expect(quiet).toMatchObject({ ...end, counters: { moved: 1, waiting: 1 } });
        await killed(writeCount, `/v1/evacuations/${id}/resume`, { by: "ada" });
        if ((await harness.read(id)).status === "paused") return;
      }
      const ended = await harness.end(id, () => harness.guests.releaseAll());
      expect(ended.status).toBe(action === "pause" ? "completed" : end.status);
      await expectSound(ended, hosts);
    });
  });

  it.each([true, false])("an uncordon ends the drain (repeated: %s)", async (isRepeated) => {
    await forEachWrite(1, async (writeCount) => {
      const hosts = await fleet();
      harness.guests.courses.set(harness.vm("a1"), ["held", "completes"]);
      harness.guests.courses.set(harness.vm("a2"), ["held", "completes"]);
      const { id } = await harness.begin([hosts.a ?? ""]);
      await harness.until(id, ({ counters }) => counters.moving === 1);
      const path = `/v1/hosts/${hosts.a}/uncordon`;
      await killed(writeCount, path, { owner: "ops team" });
      if (isRepeated) expect((await operate("POST", path, { owner: "ops team" })).status).toBe(200);
      const ended = await harness.end(id, () => harness.guests.releaseAll());
      expect(ended.counters).toMatchObject({ moved: 1, skipped: 1 });
      if (isRepeated) expect(ended.status).toBe("cancelled");
      expect(await harness.leftovers(id)).toEqual([]);
    });
  });
});
