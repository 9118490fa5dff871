import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EvacuationId, MigrationId } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { TenantName } from "../../core/vm-rules.ts";
import { withTry } from "../../functions/store/evacuation-moves.ts";
import { findVersion, PlanTooLong, writeVersion } from "../../functions/store/evacuation-plans.ts";
import {
  addWake,
  EVERYTHING,
  listenTo,
  listListeners,
  readWakes,
  settleWakes,
} from "../../functions/store/evacuation-wakes.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { hostId } from "./testing/fixtures.ts";

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud?.close());

const AT = "2026-11-30T10:00:00.000Z";
const id = EvacuationId.parse("evac_01KA5TZZZZZZZZZZZZZZZZZZZZ");

/** Only its text matters here: it needs several parts. */
function planOf(warning: string, characters = 250_000): Plan {
  return { warnings: [warning.repeat(characters)] } as unknown as Plan;
}

function made(warning: string, version: number, changes: string[] = []) {
  const outline = { version, endMs: 1, targets: [], moves: 1, unplaced: 0 };
  return { plan: planOf(warning), outline, reason: "requested", changes, at: AT } as const;
}

describe("a version of a plan", () => {
  it("is that of its first writer, as a whole, for all who write it at once", async () => {
    const all = await Promise.all(["a", "b", "c"].map((text) => writeVersion(id, made(text, 1))));
    const found = await findVersion(id, 1);
    for (const { plan } of all) expect(plan).toEqual(found?.plan);
    const [text = ""] = found?.plan.warnings ?? [];
    expect(new Set(text).size).toBe(1);
    expect(text).toHaveLength(250_000);
    expect((await writeVersion(id, made("d", 1))).plan).toEqual(found?.plan);
  });

  it("keeps a bounded list of what has changed, and says how much more there is", async () => {
    const changes = Array.from({ length: 9_999 }, (_, index) => `vm-${index}: b in place of a`);
    const { changes: kept } = await writeVersion(id, made("a", 2, changes));
    expect(kept).toHaveLength(201);
    expect(kept.at(-1)).toBe("and 9799 more");
  });

  it("that is too long is refused before anything is written", async () => {
    const long = { ...made("a", 3), plan: planOf("a", 5_000_000) };
    await expect(writeVersion(id, long)).rejects.toThrow(PlanTooLong);
    expect(await findVersion(id, 3)).toBeUndefined();
  });

  it("that has too many target hosts is refused before anything is written", async () => {
    const { outline, ...rest } = made("a", 3);
    const targets = Array.from({ length: 4_000 }, (_, place) => hostId(`${place}`.padEnd(63, "h")));
    const wide = { ...rest, outline: { ...outline, targets } };
    await expect(writeVersion(id, wide)).rejects.toThrow("4000 target hosts");
    expect(await findVersion(id, 3)).toBeUndefined();
  });
});

describe("what an evacuation is woken for", () => {
  const names = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, place) => `${prefix}-${place}`);

  it("is all hosts when more have changed than names are kept", async () => {
    for (let part = 0; part < 20; part += 1) await addWake(id, names(`host-${part}`, 60));
    const { seq, hosts } = await readWakes(id);
    expect(seq).toBe(20);
    expect(hosts.has(EVERYTHING)).toBe(true);
    expect(hosts.size).toBeLessThan(1_100);
    const { hosts: many } = await addWake(id, names("host", 5_000));
    expect([...many]).toEqual([EVERYTHING]);
    expect(await settleWakes(id, { seq: 21 })).toBe(true);
    expect((await addWake(id, ["host-1"])).hosts).toEqual(new Set(["host-1"]));
  });

  it("is a bounded number of tenants, and those of them that are known stay", async () => {
    for (const name of names("tenant", 1_002)) {
      await listenTo({ tenant: TenantName.parse(name) }, id);
    }
    const tenant = (place: number) => ({ tenant: TenantName.parse(`tenant-${place}`) });
    await listenTo(tenant(0), id);
    expect((await readWakes(id)).tenants.size).toBe(1_000);
    expect(await listListeners(tenant(0))).toEqual([id]);
    expect(await listListeners(tenant(1_001))).toEqual([]);
  });
});

describe("the tries of a move", () => {
  const one = (place: number) => ({
    migration: MigrationId.parse("mig_01KA5TZZZZZZZZZZZZZZZZZZZZ"),
    target: hostId("b"),
    startedAt: AT,
    ms: place,
  });

  it("are bounded, and those that count still are those of the way back", () => {
    let move: ReturnType<typeof withTry> = { tries: [], countedFrom: 0 };
    for (let place = 0; place < 20; place += 1) move = withTry(move, one(place));
    move = { ...move, countedFrom: move.tries.length };
    for (let place = 20; place < 23; place += 1) move = withTry(move, one(place));
    expect(move.tries).toHaveLength(20);
    expect(move.tries.slice(move.countedFrom).map(({ ms }) => ms)).toEqual([20, 21, 22]);
  });
});
