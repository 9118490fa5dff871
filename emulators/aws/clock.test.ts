import { expect, it, vi } from "vitest";
import { ManualClock, systemClock, TIMER_DELAY_MS_MAX } from "./clock.ts";

it("a manual clock fires timers in the order they are due, at their time", async () => {
  const clock = new ManualClock(0);
  const fired: [string, number][] = [];
  const note = (name: string) => () => fired.push([name, clock.now()]);
  clock.setTimeout(note("late"), 20);
  clock.setTimeout(note("early"), 10);
  clock.setTimeout(note("early too"), 10);
  clock.setTimeout(note("cleared"), 15).clear();
  await clock.advance(19);
  expect(fired).toEqual([
    ["early", 10],
    ["early too", 10],
  ]);
  await clock.advance(1);
  expect(fired.at(-1)).toEqual(["late", 20]);
  expect(clock.now()).toBe(20);
});

it("a timer set by a timer fires within the same advance, at its own time", async () => {
  const clock = new ManualClock(0);
  const at: number[] = [];
  clock.setTimeout(() => {
    at.push(clock.now());
    Promise.resolve().then(() => clock.setTimeout(() => at.push(clock.now()), 5));
  }, 5);
  await clock.advance(100);
  expect(at).toEqual([5, 10]);
});

it("the system's clock does not fire at once for a delay Node cannot hold", () => {
  // Like Node, fake timers fire after 1 ms when the delay is too long.
  vi.useFakeTimers();
  try {
    let fired = false;
    const timer = systemClock.setTimeout(() => {
      fired = true;
    }, TIMER_DELAY_MS_MAX * 2);
    vi.advanceTimersByTime(TIMER_DELAY_MS_MAX - 1);
    timer.clear();
    expect(fired).toBe(false);
  } finally {
    vi.useRealTimers();
  }
});

it("the system's clock goes on when the machine's date is set", () => {
  const before = systemClock.now();
  expect(Math.abs(before - Date.now())).toBeLessThan(60_000);
  const set = vi.spyOn(Date, "now").mockReturnValue(before - 3_600_000);
  try {
    expect(systemClock.now()).toBeGreaterThanOrEqual(before);
  } finally {
    set.mockRestore();
  }
});
