import { expect, it, vi } from "vitest";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { describePair } from "./testing/describe-pair.ts";
import { blockdev, pc } from "./testing/parts.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const qemu = findQemu();

const installed = { title: "the installed QEMU", source: qemu, target: qemu };

describePair(installed, (bedOf, tally) => {
  it("takes a QEMU that was started by hand, with other names for the same, for equal", async () => {
    const bed = bedOf();
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
