import { expect, it, vi } from "vitest";
import { AwakeClock } from "../../runtime/awake-clock.ts";
import { useStoppableProcess } from "../../testing/stopped-process.ts";
import { ByteWatch } from "./byte-watch.ts";

const figures = (ramTransferredBytes: number) => ({
  status: "active",
  ramTransferredBytes,
  ramRemainingBytes: 1_000,
});

type Link = { linkUp: boolean; silentMs: number };

function watch(silenceMs?: number, link?: Link) {
  const clock = { nowMs: 0 };
  const watched = new ByteWatch({ silenceMs, clock, link: () => link });
  const observe = (progress: Parameters<ByteWatch["observe"]>[0], atMs: number) => {
    clock.nowMs = atMs;
    return watched.observe(progress);
  };
  return { observe };
}

it.each([
  { link: { linkUp: true, silentMs: 900 }, hint: "MTU" },
  { link: { linkUp: true, silentMs: 20_000 }, hint: "does not answer" },
  { link: { linkUp: false, silentMs: 900 }, hint: "does not answer" },
])("B6: no byte for 60 s is given up, with a hint ($hint)", ({ link, hint }) => {
  const { observe } = watch(undefined, link);
  expect(observe(figures(1), 0)).toBeUndefined();
  expect(observe(figures(2), 10_000)).toBeUndefined();
  expect(observe(figures(2), 69_999)).toBeUndefined();
  const reason = observe(figures(2), 70_000);
  expect(reason).toContain("No byte of the stream was sent for 60 s");
  expect(reason).toContain(hint);
});

it("another status than precopy's starts the count anew", () => {
  const { observe } = watch(5_000);
  observe(figures(1), 0);
  observe({ status: "device" }, 4_000);
  expect(observe(figures(1), 6_000)).toBeUndefined();
  expect(observe(figures(1), 11_000)).toContain("for 5 s");
});

it("does not count the time for which its own agent was stopped", () => {
  const { stopFor } = useStoppableProcess();
  const clock = new AwakeClock(500);
  setInterval(() => clock.tick(), 500);
  const watched = new ByteWatch({ silenceMs: 5_000, clock, link: () => undefined });
  watched.observe(figures(1));
  stopFor(60_000);
  expect(watched.observe(figures(1))).toBeUndefined();
  vi.advanceTimersByTime(3_000);
  expect(watched.observe(figures(1))).toBeUndefined();
  vi.advanceTimersByTime(3_000);
  expect(watched.observe(figures(1))).toContain("No byte");
});
