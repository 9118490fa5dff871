import { expect, it } from "vitest";
import { diskRate, memoryRate } from "./shared-rate.ts";

const MIB = 1 << 20;

it.each([
  ["no cap", { capBytesPerSecond: 0, isMemoryCalm: false, disks: 2 }, 0],
  ["half of the cap", { capBytesPerSecond: 8 * MIB, isMemoryCalm: false, disks: 1 }, 4 * MIB],
  [
    "half of it, in equal parts",
    { capBytesPerSecond: 8 * MIB, isMemoryCalm: false, disks: 4 },
    MIB,
  ],
  [
    "the rest beside calm memory",
    { capBytesPerSecond: 1e6, isMemoryCalm: true, disks: 1 },
    980_000,
  ],
  [
    "at least half of a small cap",
    { capBytesPerSecond: 20_000, isMemoryCalm: true, disks: 1 },
    1e4,
  ],
  ["one byte at least", { capBytesPerSecond: 2, isMemoryCalm: false, disks: 4 }, 1],
  ["nothing to limit", { capBytesPerSecond: MIB, isMemoryCalm: false, disks: 0 }, 0],
])("disks get %s", (_, sharing, expected) => {
  expect(diskRate(sharing)).toBe(expected);
});

it.each([
  [0, 0],
  [8 * MIB, 4 * MIB],
  [1, 1],
])("of a cap of %i memory gets %i", (cap, expected) => {
  expect(memoryRate(cap)).toBe(expected);
});

it.each([1, 2, 3, 7, 1e6, 1e9])(
  "both together never exceed a cap of %i by more than a byte",
  (cap) => {
    for (const disks of [1, 3]) {
      const rate = diskRate({ capBytesPerSecond: cap, isMemoryCalm: false, disks });
      expect(rate * disks + memoryRate(cap)).toBeLessThanOrEqual(cap + disks);
    }
  },
);
