import { expect, it, onTestFinished, vi } from "vitest";
import type { Guest } from "../../guest/guest.ts";
import { useStoppableProcess } from "../../testing/stopped-process.ts";
import { SourceObserver } from "./observer.ts";
import type { SourceInput } from "./state.ts";

/** Observes a source whose QEMU answers each question a little late, or not at all. */
function observeGuest() {
  let answers = true;
  const inputs: SourceInput["type"][] = [];
  const answer = () => new Promise((resolve) => setTimeout(resolve, 600, { status: "active" }));
  const never = () => new Promise(() => undefined);
  const qmp = { execute: () => (answers ? answer() : never()) };
  const observer = new SourceObserver({
    guest: { manifest: {}, qmp } as unknown as Guest,
    log: { debug: () => undefined } as never,
    progressIntervalMs: 60_000,
    isFollowed: () => true,
    isGateSettled: () => true,
    withDisks: async (progress) => progress,
    apply: async ({ type }) => void inputs.push(type),
  });
  onTestFinished(() => observer.close());
  const hang = () => {
    answers = false;
  };
  return { observer, hang, silences: () => inputs.filter((type) => type === "qmp-silent").length };
}

it("reports a QEMU that does not answer, once", async () => {
  useStoppableProcess();
  const { observer, hang, silences } = observeGuest();
  observer.startClock();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(silences()).toBe(0);
  hang();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(silences()).toBe(1);
});

it("does not take the time for which its own agent was stopped for QEMU's silence", async () => {
  const { stopFor } = useStoppableProcess();
  const { observer, silences } = observeGuest();
  observer.startClock();
  // A question is under way.
  await vi.advanceTimersByTimeAsync(1_510);
  stopFor(60_000);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(silences()).toBe(0);
});
