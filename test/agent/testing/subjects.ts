import { afterEach, describe } from "vitest";
import type { GuestLoad } from "../../../rig/guest/boot-sector.ts";
import { chooseQemu } from "../../../rig/qemu.ts";

/** The QEMU that the tests of agents run on. */
export type Subject = {
  readonly name: string;
  readonly qemu: string;
  readonly isModel: boolean;
};

const chosen = chooseQemu(undefined);

/**
 * Real QEMU, or the model where it is not installed. `npm run test:slow` repeats the tests as on a
 * machine without it.
 */
export const subject: Subject = {
  name: chosen.real ? "real QEMU" : "the model",
  qemu: chosen.path,
  isModel: !chosen.real,
};

/** Declares tests that pass on real QEMU and on the model. */
export function describeOnQemu(title: string, declare: (subject: Subject) => void): void {
  describe(`${title}, on ${subject.name}`, () => {
    // Registered first, so that it runs after the hooks which end the models.
    afterEach(() => {
      delete process.env.QEMU_MODEL;
    });
    declare(subject);
  });
}

/**
 * The model runs no guest code: models that this test starts from now on behave as if they ran this
 * load.
 */
export function loadModels({ dirtyBytesPerSecond, workingSetBytes }: GuestLoad): void {
  if (!subject.isModel) return;
  process.env.QEMU_MODEL = JSON.stringify({
    counterPerSecond: 100,
    dirtyBytesPerSecond,
    workingSetBytes,
    usedBytes: workingSetBytes,
  });
}
