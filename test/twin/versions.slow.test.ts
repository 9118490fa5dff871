import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { TwinBed } from "./testing/bed.ts";
import { differences } from "./testing/differences.ts";
import { shapes } from "./testing/shapes.ts";
import { Tally } from "./testing/tally.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const installed = findQemu();
const older = process.env.SWITCHYARD_QEMU_7_2;
const newer = process.env.SWITCHYARD_QEMU_11_1;

const pairs = [
  { title: "QEMU 7.2", source: older, target: older },
  { title: "QEMU 11.1", source: newer, target: newer },
  { title: "QEMU 7.2 to the installed one", source: older, target: installed },
  { title: "the installed QEMU to 7.2", source: installed, target: older },
  { title: "the installed QEMU to 11.1", source: installed, target: newer },
  { title: "QEMU 11.1 to the installed one", source: newer, target: installed },
];

for (const { title, source, target } of pairs) {
  const here = source !== undefined && target !== undefined;
  const isSame = source === target;

  describe.skipIf(!here)(`the twin check on ${title}`, () => {
    const tally = new Tally();
    let bed: TwinBed;

    beforeAll(() => {
      bed = new TwinBed({ source: source ?? "", target: target ?? "" });
    });
    afterAll(async () => {
      await bed?.close();
      tally.print();
    });

    it.each(differences)("refuses before `migrate`: $title", async ({ make, found }) => {
      const outcome = await bed.run(make(bed.files));
      tally.addDifference(outcome, found);
      const names = outcome.check.differences.map(({ name }) => name);
      expect(names).toContainEqual(expect.stringMatching(found));
      expect(outcome.refusal).toMatch(/^differs: /);
      expect([outcome.migrationStatus, outcome.runState]).toEqual(["none", "running"]);
    });

    it.each(shapes)("finds no difference, and the guest moves: $title", async (shape) => {
      const outcome = await bed.run(shape.make(bed.files));
      const isOther = !isSame && shape.differsBetweenVersions !== undefined;
      if (!isOther) tally.addEqual(outcome);
      const names = outcome.check.differences.map(({ name }) => name);
      if (isOther) {
        expect(names).toContainEqual(expect.stringMatching(shape.differsBetweenVersions ?? ""));
        return;
      }
      expect(names).toEqual([]);
      expect(outcome.refusal).toBeUndefined();
      expect(outcome.migrationStatus).toBe("completed");
    });
  });
}
