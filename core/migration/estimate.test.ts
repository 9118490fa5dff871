import { describe, expect, it } from "vitest";
import { MigrationPolicy } from "../negotiate/policy.ts";
import { estimateMs, precopyEnd } from "./estimate.ts";

const rates = {
  remainingBytes: 1_000,
  bandwidthBytesPerSecond: 200,
  dirtyBytesPerSecond: 100,
  downtimeLimitMs: 500,
};

describe("the end of precopy", () => {
  it("is when what is left fits the downtime limit, less what is dirtied meanwhile", () => {
    expect(estimateMs(rates)).toBe(9_000);
  });

  it("is now when it fits already", () => {
    expect(estimateMs({ ...rates, remainingBytes: 100 })).toBe(0);
  });

  it("is not known when memory is dirtied as fast as it is sent", () => {
    expect(estimateMs({ ...rates, dirtyBytesPerSecond: 200 })).toBeUndefined();
  });

  it.each([
    ["is that of the disks where they take longer", { diskRemainingBytes: 400 }, 20_000],
    ["is that of the memory where the disks take less", { diskRemainingBytes: 20 }, 9_000],
    [
      "is never while a disk is not copied",
      { diskRemainingBytes: 1, diskBytesPerSecond: 0 },
      "never",
    ],
  ])("%s", (_, disks, end) => {
    const progress = { ...rates, diskBytesPerSecond: 20, ...disks } as never;
    const policy = MigrationPolicy.parse({ downtimeLimitMs: rates.downtimeLimitMs });
    expect(precopyEnd({ progress, policy, gate: undefined })).toBe(end);
  });
});
