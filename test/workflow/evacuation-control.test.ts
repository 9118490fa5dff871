import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import { vmId } from "../functions/testing/fixtures.ts";
import { operate } from "../functions/testing/fleet.ts";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";
import { faults, faultsOf } from "./testing/faults.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

let harness: EvacuationHarness;

beforeAll(async () => {
  harness = await EvacuationHarness.start();
});
afterAll(() => harness?.close());

const ONE_SLOT = { slotsOut: 1, slotsIn: 1 };

/** An evacuation of host `a` whose first guest is in flight, and stays so until it is released. */
async function inFlight(size: number, others: Record<string, number> = { b: 0 }) {
  const hosts = await harness.fleet({ a: size, ...others }, ONE_SLOT);
  for (let vm = 1; vm <= size; vm += 1) {
    harness.guests.courses.set(harness.vm(`a${vm}`), ["held", "completes"]);
  }
  const { id } = await harness.begin([hosts.a ?? ""]);
  await harness.until(id, ({ counters }) => counters.moving === 1);
  const [first = ""] = harness.guests.held;
  return { id, first, hosts };
}

async function cordonsOf(host = ""): Promise<string[]> {
  const { body } = await operate("GET", `/v1/hosts/${host}`);
  return (body.cordons as { owner: string }[]).map(({ owner }) => owner);
}

async function expectSound({ id }: Evacuation): Promise<void> {
  expect(harness.guests.hasRunTwice).toBe(false);
  expect(await harness.leftovers(id)).toEqual([]);
}

describe("a pause", () => {
  it("lets transfers in flight end and starts none, until its author resumes", async () => {
    const { id, first } = await inFlight(3);
    await harness.act(id, "pause", { by: "ada", message: "ticket 7" });
    await harness.act(id, "pause", { by: "ada", message: "something else" });
    await harness.guests.release(first);
    const quiet = await harness.until(id, ({ counters }) => counters.moved === 1);
    for (let hour = 0; hour < 3; hour += 1) {
      harness.skip();
      await harness.runUntilIdle();
    }
    expect(await harness.read(id)).toMatchObject({
      status: "paused",
      counters: quiet.counters,
      pauses: [{ author: "ada", message: "ticket 7" }],
    });
    await harness.act(id, "resume", { by: "ada" });
    const ended = await harness.end(id, () => harness.guests.releaseAll());
    expect(ended).toMatchObject({ status: "completed", counters: { moved: 3 } });
    await expectSound(ended);
  });
});

describe("a cancel", () => {
  it("lets transfers in flight end, skips the rest, and gives its cordon back", async () => {
    const { id, first, hosts } = await inFlight(3);
    await operate("POST", `/v1/hosts/${hosts.a}/cordon`, { owner: "ops", message: "disk swap" });
    await harness.act(id, "cancel", { by: "ada", message: "not today" });
    await harness.act(id, "cancel", { by: "bob" });
    await harness.guests.release(first);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "cancelled",
      counters: { moved: 1, skipped: 2 },
      endedBy: { action: "cancel", author: "ada", message: "not today" },
    });
    expect(await cordonsOf(hosts.a)).toEqual(["ops"]);
    await expectSound(ended);
  });

  it("is what uncordoning its last host means", async () => {
    const { id, first, hosts } = await inFlight(3);
    await operate("POST", `/v1/hosts/${hosts.a}/uncordon`, { owner: "ops", message: "back" });
    await harness.guests.release(first);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "cancelled",
      counters: { moved: 1, skipped: 2 },
      endedBy: { action: "uncordon", author: "ops", message: "back" },
    });
    expect(await cordonsOf(hosts.a)).toEqual([]);
    await expectSound(ended);
  });
});

describe("a rollback", () => {
  it("of a completed evacuation brings each guest home and opens the host", async () => {
    const { a = "", b = "" } = await harness.fleet({ a: 3, b: 1 });
    const { id } = await harness.begin([a]);
    await harness.end(id);
    await harness.act(id, "rollback", { by: "ada" });
    await harness.act(id, "rollback", { by: "bob" });
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "rolled-back",
      counters: { total: 3, moved: 3 },
      forward: { status: "completed", counters: { moved: 3 } },
      endedBy: { author: "ada" },
    });
    expect([...harness.guests.places.values()]).toEqual([a, a, a, b]);
    expect(await cordonsOf(a)).toEqual([]);
    await expectSound(ended);
  });

  it("of a running one begins when the transfers in flight have ended", async () => {
    const { id, first, hosts } = await inFlight(3);
    await harness.act(id, "rollback", { by: "ada" });
    await harness.guests.release(first);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "rolled-back",
      counters: { total: 1, moved: 1 },
      forward: { status: "cancelled", counters: { moved: 1, skipped: 2 } },
    });
    expect(new Set(harness.guests.places.values())).toEqual(new Set([hosts.a]));
    await expectSound(ended);
  });

  it.each(faultsOf(["Advance"]))("goes on when the function of %s %s", async (state, fault) => {
    const { a = "" } = await harness.fleet({ a: 2, b: 0 }, ONE_SLOT);
    const { id } = await harness.begin([a]);
    await harness.end(id);
    harness.intercept = faults[fault](harness, state);
    await harness.act(id, "rollback", { by: "ada" });
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "rolled-back", counters: { total: 2, moved: 2 } });
    expect(new Set(harness.guests.places.values())).toEqual(new Set([a]));
    expect(harness.faultsInjected).toBeGreaterThan(0);
    await expectSound(ended);
  });
});

describe("one VM", () => {
  it("may be skipped, and tried again after the end", async () => {
    const { id, first } = await inFlight(2);
    const other = [...harness.guests.places.keys()].find((vm) => vm !== first) ?? "";
    await harness.act(id, `moves/${other}/skip`, { by: "ada", message: "its owner asks" });
    await harness.guests.release(first);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "completed-with-remainder",
      counters: { moved: 1, skipped: 1 },
    });
    await harness.act(id, `moves/${other}/retry`, { by: "ada" });
    const again = await harness.end(id, () => harness.guests.releaseAll());
    expect(again).toMatchObject({ status: "completed", counters: { moved: 2 } });
    await expectSound(again);
  });

  it("whose guest has shut down is gone, and is no failure", async () => {
    const { id, first } = await inFlight(3, { b: 0, c: 0 });
    const others = Array.from(harness.guests.places.keys()).filter((vm) => vm !== first);
    const [second = "", third = ""] = others;
    const [agent] = harness.guests.agents;
    const shutdown = { guest: true, reason: "guest-shutdown" };
    await agent?.emit({ type: "guest.exited", vm: vmId(third), detail: "", shutdown });
    harness.guests.places.delete(third);
    harness.guests.courses.set(second, ["completes"]);
    await harness.guests.release(first);
    const ended = await harness.end(id, () => harness.guests.releaseAll());
    expect(ended).toMatchObject({
      status: "completed",
      counters: { total: 3, moved: 2, gone: 1, failed: 0 },
    });
    const gone = (await harness.moves(id)).find(({ vm }) => vm === third);
    expect(gone).toMatchObject({ state: "gone", reason: expect.stringMatching(/has ended/) });
    await expectSound(ended);
  });
});

describe("an approval", () => {
  it("of a plan that the fleet no longer allows is refused, and names the new version", async () => {
    const { a = "", b = "", c = "" } = await harness.fleet({ a: 1, b: 0, c: 0 });
    const { id } = await harness.plan([a]);
    const { body } = await operate("GET", `/v1/evacuations/${id}/plans/1`);
    const { plan } = body as { plan: { moves: { target: string }[] } };
    const target = plan.moves[0]?.target ?? "";
    await operate("POST", `/v1/hosts/${target}/cordon`, { owner: "ops" });
    const approve = { version: 1, by: "bob" };
    const refused = await operate("POST", `/v1/evacuations/${id}/approve`, approve);
    expect(refused).toMatchObject({ status: 409, body: { code: "plan-changed", version: 2 } });
    expect(await cordonsOf(a)).toEqual([]);
    await harness.act(id, "approve", { version: 2, by: "bob" });
    await harness.act(id, "approve", { version: 2, by: "bob" });
    expect(await harness.end(id)).toMatchObject({ status: "completed", approvedVersion: 2 });
    expect([...harness.guests.places.values()]).toEqual([target === b ? c : b]);
  });

  it("of a plan that can move nothing is refused, and cordons nothing", async () => {
    const { a = "", b = "" } = await harness.fleet({ a: 1, b: 0 });
    await operate("POST", `/v1/hosts/${b}/cordon`, { owner: "ops" });
    const { id } = await harness.plan([a]);
    const refused = await operate("POST", `/v1/evacuations/${id}/approve`, { version: 1 });
    expect(refused).toMatchObject({ status: 409, body: { code: "plan-refused" } });
    expect(JSON.stringify(refused.body.blockers)).toMatch(/nothing-to-move/);
    expect(await cordonsOf(a)).toEqual([]);
  });
});
