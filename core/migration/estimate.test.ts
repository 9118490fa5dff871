import { describe, expect, it } from "vitest";
import { estimateMs } from "./estimate.ts";

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
});
