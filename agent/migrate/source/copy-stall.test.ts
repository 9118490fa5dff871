import { expect, it } from "vitest";
import { CopyStall } from "./copy-stall.ts";

const job = (offset: number, len = 100, device = "a") => ({ device, offset, len });

/** Feeds figures, each with its time in ms. */
function watch(figures: readonly [number, ReturnType<typeof job>[]][]) {
  const clock = { nowMs: 0 };
  const stall = new CopyStall(clock, 60_000);
  return figures.map(([atMs, jobs]) => {
    clock.nowMs = atMs;
    return stall.observe(jobs, 0)?.job.device;
  });
}

it.each<[string, [number, ReturnType<typeof job>[]][], (string | undefined)[]]>([
  [
    "nothing for too long",
    [
      [0, [job(1)]],
      [59_999, [job(1)]],
      [60_000, [job(1)]],
    ],
    [undefined, undefined, "a"],
  ],
  [
    "a little",
    [
      [0, [job(1)]],
      [59_999, [job(2)]],
      [90_000, [job(2)]],
    ],
    [undefined, undefined, undefined],
  ],
  [
    "all there is",
    [
      [0, [job(100)]],
      [90_000, [job(100)]],
    ],
    [undefined, undefined],
  ],
  [
    "a new write after a long rest",
    [
      [0, [job(100)]],
      [90_000, [job(100, 101)]],
      [90_001, [job(100, 101)]],
    ],
    [undefined, undefined, undefined],
  ],
  [
    "two disks, of which one stalls",
    [
      [0, [job(1), job(1, 9, "b")]],
      [60_000, [job(2), job(1, 9, "b")]],
    ],
    [undefined, "b"],
  ],
])("copies %s", (_, figures, found) => {
  expect(watch(figures)).toEqual(found);
});

it("waits longer for a job with a limit, which rests between two pieces", () => {
  const clock = { nowMs: 0 };
  const stall = new CopyStall(clock, 5_000);
  const at = (nowMs: number) => {
    clock.nowMs = nowMs;
    return stall.observe([job(1)], 1 << 20);
  };
  expect([at(0), at(8_999)]).toEqual([undefined, undefined]);
  expect(at(9_000)).toMatchObject({ silentMs: 9_000 });
});
