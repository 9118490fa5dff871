import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { TwinBed } from "./testing/bed.ts";
import { differences } from "./testing/differences.ts";
import { shapes } from "./testing/shapes.ts";
import { Tally } from "./testing/tally.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const qemu = findQemu();

describe.skipIf(qemu === undefined)("the twin check", () => {
  const tally = new Tally();
  let bed: TwinBed;

  beforeAll(() => {
    bed = new TwinBed({ source: qemu ?? "", target: qemu ?? "" });
  });
  afterAll(async () => {
    await bed?.close();
    tally.print();
  });

  it.each(differences)("refuses before `migrate`: $title", async ({ make, found }) => {
    const outcome = await bed.run(make(bed.files));
    tally.addDifference(outcome, found);
    const { check, refusal, migrationStatus, runState } = outcome;
    expect(check.differences.map(({ name }) => name)).toContainEqual(expect.stringMatching(found));
    expect(refusal).toMatch(/^differs: /);
    expect([migrationStatus, runState]).toEqual(["none", "running"]);
  });

  it.each(shapes)("finds no difference, and the guest moves: $title", async ({ make }) => {
    const outcome = await bed.run(make(bed.files));
    tally.addEqual(outcome);
    expect(outcome.check).toMatchObject({ differences: [], harmless: [] });
    expect(outcome.refusal).toBeUndefined();
    expect(outcome.migrationStatus).toBe("completed");
  });
});
