import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EvacuationId, MigrationId } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { withTry } from "../../functions/store/evacuation-moves.ts";
import { findVersion, PlanTooLong, writeVersion } from "../../functions/store/evacuation-plans.ts";
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
