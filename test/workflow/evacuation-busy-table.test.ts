import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BusyTable } from "./testing/busy-table.ts";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";

/** Refusals of each write: no more than a caller waits for. */
const TIMES = 2;
const table = new BusyTable();

describe("an evacuation, while each write of the table meets others first, twice,", () => {
  let harness: EvacuationHarness;
  beforeAll(async () => {
    harness = await EvacuationHarness.start({ refuse: table.refuse });
  });
  afterAll(() => harness?.close());

  it("moves each guest once, and holds nothing", async () => {
    table.reset(TIMES);
    const { a = "", b = "" } = await harness.fleet({ a: 3, b: 0 });
    const { id } = await harness.begin([a]);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", counters: { total: 3, moved: 3 } });
    expect([...harness.guests.places.values()]).toEqual([b, b, b]);
    expect(harness.guests.hasRunTwice).toBe(false);
    expect(await harness.leftovers(id)).toEqual([]);
    expect(table.refused.get("TransactWriteItems")).toBeGreaterThan(0);
  });
});
