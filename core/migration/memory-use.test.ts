import { describe, expect, it } from "vitest";
import type { Progress } from "../protocol/event.ts";
import { memoryUse, NOTHING_SEEN, seeMemory, seeStart } from "./memory-use.ts";

const MB = 1_000_000;

type Short = [pass: number, sentMb: number, leftMb: number, rateMb: number, ms: number];

function progress([pass, sent, left, rate, totalTimeMs]: Short, status = "active"): Progress {
  return {
    status,
    dirtySyncCount: pass,
    ramTransferredBytes: sent * MB,
    ramRemainingBytes: left * MB,
    dirtyBytesPerSecond: rate * MB,
    totalTimeMs,
  };
}

const see = (...answers: Progress[]) => memoryUse(answers.reduce(seeMemory, NOTHING_SEEN));

describe("what a migration shows of the guest's memory", () => {
  it("is the first pass, the mean dirty rate, and the most that was dirty", () => {
    const use = see(
      progress([1, 200, 800, 0, 500]),
      progress([1, 700, 300, 0, 1_500]),
      progress([2, 1_000, 90, 40, 2_500]),
      progress([2, 1_050, 40, 40, 2_600]),
      progress([3, 1_100, 60, 20, 3_000]),
      progress([4, 1_180, 0, 20, 3_400], "completed"),
    );
    expect(use).toEqual({
      firstPassBytes: 1_000 * MB,
      workingSetBytes: 90 * MB,
      dirtyBytesPerSecond: Math.round((80 * MB) / 3),
    });
  });

  it("is the bytes alone of a migration that ended before QEMU measured a rate", () => {
    const use = see(progress([1, 40, 8, 0, 300]), progress([3, 50, 0, 0, 800], "completed"));
    expect(use).toEqual({ firstPassBytes: 50 * MB });
  });

  it("is the bytes of a migration that had ended before its first figures", () => {
    const ended = progress([4, 50, 0, 0, 300], "completed");
    expect(memoryUse(seeMemory(seeStart(NOTHING_SEEN), ended))).toEqual({
      firstPassBytes: 50 * MB,
    });
  });

  it("is a dirty rate of 0 where the guest wrote nothing for long enough", () => {
    const use = see(
      progress([1, 500, 500, 0, 1_000]),
      progress([2, 1_000, 0, 0, 2_400]),
      progress([3, 1_000, 0, 0, 2_500], "completed"),
    );
    expect(use).toEqual({
      firstPassBytes: 1_000 * MB,
      workingSetBytes: 0,
      dirtyBytesPerSecond: 0,
    });
  });

  it("is no first pass where the agent was away at its end", () => {
    const use = see(progress([5, 4_000, 70, 30, 9_000]));
    expect(use).toEqual({ workingSetBytes: 70 * MB, dirtyBytesPerSecond: 30 * MB });
  });

  it("ends with postcopy, in which the guest writes on the target", () => {
    const active = progress([2, 1_000, 90, 40, 2_500]);
    expect(see(active, progress([2, 1_000, 500, 99, 3_000], "postcopy-active"))).toEqual(
      see(active),
    );
  });

  it("is nothing before the first pass has ended", () => {
    expect(see(progress([1, 10, 990, 0, 5_000]), { status: "silent" })).toEqual({});
  });
});
