import { expect, it } from "vitest";
import { CopyStall } from "./copy-stall.ts";

const job = (offset: number, len = 100, device = "a") => ({ device, offset, len });

/** Feeds figures, each with its time in ms. */
function watch(figures: readonly [number, ReturnType<typeof job>[]][], isBlocking: boolean) {
  const clock = { nowMs: 0 };
  const stall = new CopyStall(clock, 60_000);
  return figures.map(([atMs, jobs]) => {
    clock.nowMs = atMs;
    return stall.observe(jobs, { isBlocking })?.job.device;
  });
}

it.each<[string, boolean, [number, ReturnType<typeof job>[]][], (string | undefined)[]]>([
  [
    "nothing for too long",
    false,
    [
      [0, [job(1)]],
      [59_999, [job(1)]],
      [60_000, [job(1)]],
    ],
    [undefined, undefined, "a"],
  ],
  [
    "nothing for a short time that blocks",
    true,
    [
      [0, [job(1)]],
      [5_000, [job(1)]],
    ],
    [undefined, "a"],
  ],
  [
    "a little",
    false,
    [
      [0, [job(1)]],
      [59_999, [job(2)]],
      [90_000, [job(2)]],
    ],
    [undefined, undefined, undefined],
  ],
  [
    "all there is",
    false,
    [
      [0, [job(100)]],
      [90_000, [job(100)]],
    ],
    [undefined, undefined],
  ],
  [
    "a new write after a long rest",
    true,
    [
      [0, [job(100)]],
      [90_000, [job(100, 101)]],
      [90_001, [job(100, 101)]],
    ],
    [undefined, undefined, undefined],
  ],
  [
    "two disks, of which one stalls",
    true,
    [
      [0, [job(1), job(1, 9, "b")]],
      [5_000, [job(2), job(1, 9, "b")]],
    ],
    [undefined, "b"],
  ],
])("copies %s", (_, isBlocking, figures, found) => {
  expect(watch(figures, isBlocking)).toEqual(found);
});

it("waits longer for a job with a limit, which rests between two pieces", () => {
  const clock = { nowMs: 0 };
  const stall = new CopyStall(clock);
  const slow = { isBlocking: true, bytesPerSecond: 1 << 20 };
  const at = (nowMs: number) => {
    clock.nowMs = nowMs;
    return stall.observe([job(1)], slow);
  };
  expect([at(0), at(8_999)]).toEqual([undefined, undefined]);
  expect(at(9_000)).toMatchObject({ silentMs: 9_000 });
});
