import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useStoppableProcess } from "../../testing/stopped-process.ts";
import { HOST_SILENT_MS, SwitchoverWatch } from "./switchover-watch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watch() {
  const link = { silentMs: 0 };
  const stream = { inode: "1", unacknowledgedBytes: 0, retransmits: 0 };
  const reasons: string[] = [];
  const watch = new SwitchoverWatch({
    link,
    connections: () => [{ ...stream, inode: "2", retransmits: 0 }, stream],
    onGaveUp: ({ code, reason }) => reasons.push(`${code}: ${reason}`),
  });
  return { link, stream, reasons, watch };
}

it("gives up a target's host that is silent for 10 s after STOP, once", () => {
  const { link, reasons, watch: started } = watch();
  started.start();
  link.silentMs = HOST_SILENT_MS;
  vi.advanceTimersByTime(HOST_SILENT_MS - 1_000);
  expect(reasons).toEqual([]);
  vi.advanceTimersByTime(3_000);
  expect(reasons).toEqual([expect.stringMatching(/^target-host-silent: .* has not answered/)]);
});

it("gives up a path on which what was sent does not arrive, once", () => {
  const { stream, reasons, watch: started } = watch();
  started.start();
  vi.advanceTimersByTime(20_000);
  Object.assign(stream, { unacknowledgedBytes: 128_000, retransmits: 1 });
  vi.advanceTimersByTime(2_000);
  stream.retransmits = 4;
  vi.advanceTimersByTime(HOST_SILENT_MS - 2_000);
  expect(reasons).toEqual([]);
  vi.advanceTimersByTime(3_000);
  expect(reasons).toEqual([expect.stringMatching(/^stream-silent: .* 10 s.*MTU/)]);
});

it.each([
  [
    "whose bytes arrive, if slowly",
    (stream: { unacknowledgedBytes: number }) => {
      stream.unacknowledgedBytes -= 1_448;
    },
  ],
  [
    "that sends again now and then",
    (stream: { retransmits: number }) => {
      stream.retransmits = stream.retransmits === 0 ? 3 : 0;
    },
  ],
  [
    "whose target has no room",
    (stream: { retransmits: number }) => {
      stream.retransmits = 0;
    },
  ],
])("waits for a path %s", (_, each) => {
  const { stream, reasons, watch: started } = watch();
  Object.assign(stream, { unacknowledgedBytes: 4_000_000, retransmits: 5 });
  started.start();
  for (let second = 0; second < 60; second += 1) {
    each(stream);
    vi.advanceTimersByTime(1_000);
  }
  expect(reasons).toEqual([]);
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
