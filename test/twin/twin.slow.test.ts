import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { TwinBed } from "./testing/bed.ts";
import { differences } from "./testing/differences.ts";
import { expectMoved, expectRefused } from "./testing/expectations.ts";
import { blockdev, pc } from "./testing/parts.ts";
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
    expectRefused(outcome, found);
  });

  it.each(shapes)("finds no difference, and the guest moves: $title", async ({ make }) => {
    const outcome = await bed.run(make(bed.files));
    tally.addEqual(outcome);
    expect(outcome.check.harmless).toEqual([]);
    expectMoved(outcome);
  });

  it("takes a QEMU that was started by hand, with other names for the same, for equal", async () => {
    const { files } = bed;
    const drive = (id: string, file: string, more: string) =>
      `if=none,id=${id},file=${file},format=raw,file.locking=off${more}`;
    const argv = [
      "-machine",
      pc,
      "-m",
      "64M",
      "-serial",
      "null",
      "-drive",
      drive("a", files("boot"), ",readonly=on"),
      "-device",
      "virtio-blk-pci,drive=a,bootindex=0",
      "-drive",
      drive("b", files("disk-1"), ""),
      "-device",
      "virtio-blk-pci,drive=b,id=other",
    ];
    const machine = {
      machine: pc,
      blockdevs: [blockdev("n1", files("disk-1"))],
      devices: [{ driver: "virtio-blk-pci", id: "d1", drive: "n1" }],
    };
    const outcome = await bed.runAdopted(argv, { source: machine, target: machine });
    tally.addEqual(outcome);
    const { differences, harmless } = outcome.check;
    expect(differences).toEqual([]);
    expect(harmless.map(({ name, source, target }) => [name, source, target])).toEqual([
      ["device i440FX-pcihost/02.0 (virtio-blk-pci): id", "", "boot-disk"],
      ['device i440FX-pcihost/03.0 (virtio-blk-pci "other"): id', "other", "d1"],
    ]);
    expect(outcome.migrationStatus).toBe("completed");
  });
});
