import { describe, expect, it } from "vitest";
import { idleBill, migrationBill, progressEvents, total } from "./model.ts";

const TEN_MINUTES = 600;

describe("the price", () => {
  it("of a migration of ten minutes is 0.001 USD at most", () => {
    expect(total(migrationBill(TEN_MINUTES))).toBeLessThanOrEqual(0.001);
  });

  it("grows by progress events alone, not by transitions", () => {
    const short = migrationBill(TEN_MINUTES);
    const long = migrationBill(60 * TEN_MINUTES);
    expect(long["Step Functions: transitions"]).toBe(short["Step Functions: transitions"]);
    expect(total(long)).toBeGreaterThan(total(short));
  });

  it("of an idle fleet is that of its hosts, and what a stage costs by itself", () => {
    const alone = total(idleBill(0));
    expect((total(idleBill(1_000)) - alone) / 1_000).toBeLessThan(0.6);
    expect((idleBill(1_000)["SQS: long polls"] ?? 0) / 1_000).toBeCloseTo(0.0518, 4);
    expect(alone).toBeLessThan(10);
  });
});

it.each([
  [0, 0],
  [1, 1],
  [20, 10],
  [600, 49],
])("a precopy of %d s has %d progress events", (seconds, events) => {
  expect(progressEvents(seconds)).toBe(events);
});
