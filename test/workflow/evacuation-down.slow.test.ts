import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";
import { sweep } from "./testing/lost-executions.ts";

/** Real time for one evacuation after the other on a busy machine. */
const PATIENCE_MS = 600_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

const SECOND_MS = 1_000;
const ONE_SLOT = { slotsOut: 1, slotsIn: 1 };
/** Calls of functions between two moments that are tried. */
const STRIDE = 5;
const MOMENTS_MAX = 20;

let folder: string;
let harness: EvacuationHarness;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "switchyard-down-"));
  harness = await EvacuationHarness.start({ dataDir: folder });
});
afterAll(async () => {
  await harness?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The control plane dies in this call of a function, and is down for so long. */
function dieAt(place: number, isAfter: boolean) {
  let calls = 0;
  let isDown = false;
  harness.intercept = async (_, call) => {
    calls += 1;
    if (calls !== place) return call();
    if (isAfter) await call();
    isDown = true;
    return harness.hang();
  };
  return {
    has: () => calls >= place,
    onIdle: (downMs: number) => async () => {
      if (!isDown) return false;
      isDown = false;
      await harness.down(downMs);
      expect((await sweep()).evacuations.filter(({ outcome }) => outcome === "failed")).toEqual([]);
      return true;
    },
  };
}

describe.each([
  ["a second", SECOND_MS],
  ["ten minutes", 600 * SECOND_MS],
])("an evacuation whose control plane dies and is down for %s", (_, downMs) => {
  it.each([true, false])("ends as without that (after the call's effect: %s)", async (isAfter) => {
    for (let moment = 0; moment < MOMENTS_MAX; moment += 1) {
      const { a = "", b = "" } = await harness.fleet({ a: 2, b: 0 }, ONE_SLOT);
      const death = dieAt(1 + moment * STRIDE, isAfter);
      const { id } = await harness.begin([a]);
      const ended = await harness.end(id, death.onIdle(downMs));
      if (!death.has()) return expect(moment).toBeGreaterThan(1);
      expect(ended).toMatchObject({ status: "completed", counters: { total: 2, moved: 2 } });
      expect([...harness.guests.places.values()]).toEqual([b, b]);
      expect((await harness.moves(id)).map(({ tries }) => tries.length)).toEqual([1, 1]);
      expect(harness.guests.hasRunTwice).toBe(false);
      expect(await harness.leftovers(id)).toEqual([]);
    }
  });
});
