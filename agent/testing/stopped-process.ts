import { onTestFinished, vi } from "vitest";

/**
 * Fake timers, and a way to stop this process for them as SIGSTOP does: time passes, no timer fires,
 * and those that were due fire late.
 */
export function useStoppableProcess() {
  vi.useFakeTimers();
  const clock = performance.now.bind(performance);
  let stoppedMs = 0;
  const now = vi.spyOn(performance, "now").mockImplementation(() => clock() + stoppedMs);
  onTestFinished(() => {
    now.mockRestore();
    vi.useRealTimers();
  });
  return {
    stopFor: (ms: number) => {
      stoppedMs += ms;
      vi.setSystemTime(Date.now() + ms);
    },
  };
}
