import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EvacuationHarness } from "./testing/evacuation-harness.ts";

let harness: EvacuationHarness;

beforeAll(async () => {
  harness = await EvacuationHarness.start();
});
afterAll(() => harness?.close());

describe("an evacuation", () => {
  it("moves each guest once, and leaves its host empty and cordoned", async () => {
    const { a = "", b = "" } = await harness.fleet({ a: 4, b: 0 });
    const { id } = await harness.begin([a]);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({
      status: "completed",
      counters: { total: 4, moved: 4 },
      hosts: [{ host: a, state: "emptied", left: 0 }],
    });
    expect([...harness.guests.places.values()]).toEqual([b, b, b, b]);
    expect(harness.guests.hasRunTwice).toBe(false);
    expect(await harness.leftovers(id)).toEqual([]);
  });
});
