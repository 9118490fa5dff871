import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TwinBed } from "./bed.ts";
import { differences } from "./differences.ts";
import { expectMoved, expectRefused } from "./expectations.ts";
import { shapes } from "./shapes.ts";
import { Tally } from "./tally.ts";

/** QEMU binaries; undefined where one is not installed. */
export type QemuPair = { title: string; source: string | undefined; target: string | undefined };

/**
 * Declares what holds between any two QEMUs: each difference is refused before `migrate`, and
 * machines without one move. `more` declares what holds between these two alone.
 */
export function describePair(pair: QemuPair, more?: (bed: () => TwinBed, tally: Tally) => void) {
  const { title, source, target } = pair;
  const isMissing = source === undefined || target === undefined;

  describe.skipIf(isMissing)(`the twin check on ${title}`, () => {
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
      expectRefused(outcome, found);
    });

    it.each(shapes)("finds no difference, and the guest moves: $title", async (shape) => {
      const outcome = await bed.run(shape.make(bed.files));
      const isSame = source === target;
      if (!isSame && shape.differsBetweenVersions !== undefined) {
        const names = outcome.check.differences.map(({ name }) => name);
        expect(names).toContainEqual(expect.stringMatching(shape.differsBetweenVersions));
        return;
      }
      tally.addEqual(outcome);
      if (isSame) expect(outcome.check.harmless).toEqual([]);
      expectMoved(outcome);
    });

    more?.(() => bed, tally);
  });
}
