import { describe } from "vitest";
import { findQemu } from "../../../qmp/testing/real-qemu.ts";
import type { GuestLoad } from "../../../rig/guest/boot-sector.ts";
import { modelQemu } from "../../../rig/qemu.ts";

/** A QEMU that the tests of agents run on. */
export type Subject = {
  readonly name: string;
  /** Undefined: not installed here. */
  readonly qemu: string | undefined;
  readonly isModel: boolean;
};

export const SUBJECTS: readonly Subject[] = [
  { name: "real QEMU", qemu: findQemu(), isModel: false },
  { name: "the model", qemu: modelQemu().path, isModel: true },
];

/** Declares the tests once for real QEMU, skipped where there is none, and once for the model. */
export function describeOnEach(title: string, declare: (subject: Subject) => void): void {
  for (const subject of SUBJECTS) {
    describe.skipIf(subject.qemu === undefined)(`${title}, on ${subject.name}`, () => {
      declare(subject);
    });
  }
}

/** The model runs no guest code: models started from now on behave as if they ran this load. */
export function loadModels({ dirtyBytesPerSecond, workingSetBytes }: GuestLoad): void {
  process.env.QEMU_MODEL = JSON.stringify({
    counterPerSecond: 100,
    dirtyBytesPerSecond,
    workingSetBytes,
    usedBytes: workingSetBytes,
  });
}
