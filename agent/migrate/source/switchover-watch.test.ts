import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useStoppableProcess } from "../../testing/stopped-process.ts";
import { HOST_SILENT_MS, SwitchoverWatch } from "./switchover-watch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watch() {
  const link = { silentMs: 0 };
  const reasons: string[] = [];
  return { link, reasons, watch: new SwitchoverWatch(link, (reason) => reasons.push(reason)) };
}

it("gives up a target's host that is silent for 10 s after STOP, once", () => {
  const { link, reasons, watch: started } = watch();
  started.start();
  link.silentMs = HOST_SILENT_MS;
  vi.advanceTimersByTime(HOST_SILENT_MS - 1_000);
  expect(reasons).toEqual([]);
  vi.advanceTimersByTime(3_000);
  expect(reasons).toEqual([expect.stringContaining("has not answered")]);
});

it("waits for as long as the host answers, and not before STOP", () => {
  const { link, reasons, watch: started } = watch();
  link.silentMs = HOST_SILENT_MS;
  vi.advanceTimersByTime(60_000);
  link.silentMs = 900;
  started.start();
  vi.advanceTimersByTime(60_000);
  expect(reasons).toEqual([]);
});

it("ends with the migration", () => {
  const { link, reasons, watch: started } = watch();
  started.start();
  started.close();
  started.start();
  link.silentMs = HOST_SILENT_MS;
  vi.advanceTimersByTime(60_000);
  expect(reasons).toEqual([]);
});

it("does not count the time for which its own agent was stopped", () => {
  const { stopFor } = useStoppableProcess();
  const { link, reasons, watch: started } = watch();
  started.start();
  vi.advanceTimersByTime(2_000);
  stopFor(60_000);
  link.silentMs = HOST_SILENT_MS;
  vi.advanceTimersByTime(5_000);
  expect(reasons).toEqual([]);
  vi.advanceTimersByTime(3_000);
  expect(reasons).toHaveLength(1);
});
