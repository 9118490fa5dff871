import { expect, it } from "vitest";
import { lostMs, type Tick } from "./lost-time.ts";

/** Ticks every 10 ms from a guest whose clock is `behindMs` behind its peer's. */
function ticks(fromMs: number, behindMs: number, lateMs: (index: number) => number): Tick[] {
  return Array.from({ length: 50 }, (_, index) => {
    const sentMs = fromMs + index * 10;
    return { guestMs: sentMs - behindMs, atMs: sentMs + lateMs(index) };
  });
}
const mostlyLate = (index: number) => (index % 7 === 3 ? 0.2 : 5 + index);

it("is the time that the guest's clock stood still, whatever keeps most ticks", () => {
  const before = ticks(0, 1_000, mostlyLate);
  const after = ticks(5_000, 1_042, mostlyLate);
  expect(lostMs(before, after)).toBeCloseTo(42);
});

it("is nothing for a guest that ran on", () => {
  expect(lostMs(ticks(0, 7, mostlyLate), ticks(900, 7, mostlyLate))).toBeCloseTo(0);
});

it("cannot be judged without ticks", () => {
  expect(() => lostMs([], ticks(0, 0, mostlyLate))).toThrow(
    "Expected ticks of the guest, got none",
  );
});
