import { expect, it, vi } from "vitest";
import { useStoppableProcess } from "../testing/stopped-process.ts";
import { AwakeClock } from "./awake-clock.ts";

const INTERVAL_MS = 200;

function startClock() {
  const clock = new AwakeClock(INTERVAL_MS);
  setInterval(() => clock.tick(), INTERVAL_MS);
  return clock;
}

it("counts the time for which the process runs", () => {
  useStoppableProcess();
  const clock = startClock();
  vi.advanceTimersByTime(10_100);
  expect(clock.nowMs).toBe(10_100);
});

it("stands still while the process is stopped, before its first timer as well", () => {
  const { stopFor } = useStoppableProcess();
  const clock = startClock();
  vi.advanceTimersByTime(1_000);
  stopFor(60_000);
  expect(clock.nowMs).toBe(1_000 + 1.5 * INTERVAL_MS);
  vi.advanceTimersByTime(1_000);
  expect(clock.nowMs).toBe(2_000 + 0.5 * INTERVAL_MS);
});

it("counts a tick that is a little late in full", () => {
  const { stopFor } = useStoppableProcess();
  const clock = startClock();
  vi.advanceTimersByTime(1_000);
  stopFor(0.5 * INTERVAL_MS);
  vi.advanceTimersByTime(1_000);
  expect(clock.nowMs).toBe(2_000 + 0.5 * INTERVAL_MS);
});
