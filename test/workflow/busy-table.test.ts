import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { busyCauses } from "../../emulators/aws/dynamodb/busy.ts";
import { BusyTable } from "./testing/busy-table.ts";
import { expectInvariants } from "./testing/expect-invariants.ts";
import { WorkflowHarness } from "./testing/harness.ts";

/** Refusals of each write: no more than a caller waits for. */
const TIMES = 2;
const table = new BusyTable();

describe("while each write of the table meets others first, twice,", () => {
  let harness: WorkflowHarness;
  beforeAll(async () => {
    harness = await WorkflowHarness.start(undefined, table.refuse);
  });
  afterAll(() => harness?.close());

  it("a guest is moved, once, and nothing is held for it", async () => {
    table.reset(TIMES);
    const { id } = await harness.begin("completes");
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    await expectInvariants(harness, ended);
    expect([...table.refused.keys()].toSorted()).toEqual([
      "PutItem",
      "TransactWriteItems",
      "UpdateItem",
    ]);
  });

  it("a cancelled migration leaves its guest where it was, and nothing is held for it", async () => {
    table.reset(TIMES);
    const { id } = await harness.begin("precopies");
    await harness.runUntilIdle();
    expect(await harness.post(`/v1/migrations/${id}/cancel`)).toBe(202);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
    await expectInvariants(harness, ended);
  });

  it.each(busyCauses)("a transaction that is cancelled for %s is done later", async (cause) => {
    table.reset(0);
    const { id } = await harness.begin("precopies");
    await harness.runUntilIdle();
    table.reset(1, cause);
    await harness.post(`/v1/migrations/${id}/cancel`);
    const ended = await harness.end(id);
    expect(ended).toMatchObject({ status: "cancelled", runningOn: "host-a" });
    expect(table.refused.get("TransactWriteItems")).toBeGreaterThan(0);
  });
});
