import { describe, expect, it } from "vitest";
import { daysOf, windowLine } from "./windows.ts";

const HOUR_MS = 3_600_000;
const now = Date.parse("2026-12-01T12:00:00.000Z");
const window = (hours: number, length = 2) => {
  const startsAt = new Date(now + hours * HOUR_MS).toISOString();
  const endsAt = new Date(now + (hours + length) * HOUR_MS).toISOString();
  return { startsAt, endsAt, open: [{ from: startsAt, until: endsAt }] };
};
const nightly = { id: "sch_1", name: "nightly", durationMs: 2 * HOUR_MS, next: [window(10)] };

describe("the time line of windows", () => {
  it("is a day at least, and a quarter of it is past", () => {
    const line = windowLine([nightly], now);
    expect(line.spanMs).toBe(24 * HOUR_MS);
    expect(line.nowMs).toBe(6 * HOUR_MS);
    const [bar] = line.rows[0]?.bars ?? [];
    expect(bar).toMatchObject({ fromMs: 16 * HOUR_MS, toMs: 18 * HOUR_MS, isCurrent: false });
  });

  it("is so long that the last of the next windows is on it, and two weeks at most", () => {
    const long = windowLine([{ ...nightly, next: [window(10), window(238)] }], now);
    expect(long.spanMs).toBe(320 * HOUR_MS);
    const endless = windowLine([{ ...nightly, next: [window(10), window(5_000)] }], now);
    expect(endless.spanMs).toBe(14 * 24 * HOUR_MS);
    expect(endless.rows[0]).toMatchObject({ hasMore: true, bars: [{}] });
  });

  it("shows the window that is open, once, with what became of it, and past ones", () => {
    const current = window(-1);
    const runs = [
      { startsAt: current.startsAt, outcome: "started" },
      { startsAt: window(-5).startsAt, outcome: "refused" },
      { startsAt: window(-500).startsAt, outcome: "started" },
    ];
    const [row] = windowLine([{ ...nightly, current, runs }], now).rows;
    expect(row?.bars.map(({ isCurrent, outcome }) => [isCurrent, outcome])).toEqual([
      [false, "refused"],
      [true, "started"],
      [false, undefined],
    ]);
  });

  it("shows what a change freeze holds as not open", () => {
    const one = window(10);
    const until = new Date(now + 11 * HOUR_MS).toISOString();
    const frozen = { ...one, open: [{ from: one.startsAt, until }] };
    const [row] = windowLine([{ ...nightly, next: [frozen] }], now).rows;
    expect(row?.bars[0]?.open).toEqual([{ fromMs: 16 * HOUR_MS, toMs: 17 * HOUR_MS }]);
  });

  it("cuts a window that begins before it", () => {
    const current = window(-100, 101);
    const [row] = windowLine([{ ...nightly, durationMs: 101 * HOUR_MS, current }], now).rows;
    expect(row?.bars[0]).toMatchObject({ fromMs: 0, toMs: 7 * HOUR_MS });
  });

  it.each([
    [10, 4],
    [130, 8],
  ])("names midnights, so few that there is room: %i h ahead", (ahead, ticks) => {
    const line = windowLine([{ ...nightly, next: [window(ahead)] }], now);
    const days = daysOf(line, ticks);
    expect(days.length).toBeLessThanOrEqual(ticks + 1);
    for (const day of days) expect((line.fromMs + day) % (24 * HOUR_MS)).toBe(0);
  });
});
