import { describe, expect, it } from "vitest";
import { ChangeFreeze, freezeAt } from "./change-freeze.ts";
import { Schedule, ScheduleChange, ScheduleRequest } from "./schedule.ts";

const request = {
  name: "kernel updates",
  starts: { cron: "0 22 * * SAT", zone: "Europe/Berlin" },
  durationMs: 4 * 3_600_000,
  hosts: { labels: { rack: "7" }, needs: [{ fact: "kernel", below: "6.12.41" }] },
};

const problems = (input: object) =>
  ScheduleRequest.safeParse(input).error?.issues.map(
    ({ path, message }) => `${path.join(".")}: ${message}`,
  ) ?? [];

describe("a schedule", () => {
  it("has defaults for all but name, starts, duration and hosts", () => {
    expect(ScheduleRequest.parse(request)).toMatchObject({
      spread: false,
      by: "operator",
      options: { hostsAtOnce: 0, canaryHosts: 0 },
    });
  });

  it.each([
    ["nothing of its hosts", { hosts: {} }, "hosts: expected ids, labels or needs"],
    [
      "neither at nor cron",
      { starts: { zone: "UTC" } },
      "starts: expected {at, zone} or {cron, zone}",
    ],
    ["a short window", { durationMs: 1_000 }, "durationMs: "],
    [
      "a window longer than the time to the next",
      { starts: { cron: "0 */3 * * *", zone: "UTC" } },
      "durationMs: expected at most 10800000 ms, the time between two starts of `starts`, got 14400000",
    ],
    ["hosts of its evacuation", { options: { empty: ["a"] } }, "options: "],
    [
      "a condition of two kinds",
      { hosts: { needs: [{ fact: "qemu", below: "11", not: "10" }] } },
      "hosts.needs.0: expected {fact, below}, {fact, not}, {label, is} or {label, not}",
    ],
  ])("is refused with %s, and says what is expected", (_, change, message) => {
    expect(problems({ ...request, ...change }).join("\n")).toContain(message);
  });

  it("is shown with its windows", () => {
    const view = {
      ...ScheduleRequest.parse(request),
      id: "sch_01JE0000000000000000000000",
      createdAt: "2026-11-30T09:00:00.000Z",
      updatedAt: "2026-11-30T09:00:00.000Z",
      next: [
        {
          key: "sch_01JE0000000000000000000000@2026-12-05T21:00:00.000Z",
          startsAt: "2026-12-05T21:00:00.000Z",
          endsAt: "2026-12-06T01:00:00.000Z",
          open: [{ from: "2026-12-05T21:00:00.000Z", until: "2026-12-06T01:00:00.000Z" }],
        },
      ],
    };
    expect(Schedule.safeParse(view).error).toBeUndefined();
  });
});

describe("a change of a schedule", () => {
  it("has no defaults: what is absent stays", () => {
    expect(ScheduleChange.parse({ spread: true })).toEqual({ spread: true });
    expect(ScheduleChange.safeParse({}).success).toBe(false);
  });
});

describe("a change freeze", () => {
  const holidays = {
    from: "2026-12-20T00:00",
    until: "2027-01-04T08:00",
    zone: "Europe/Berlin",
    owner: "ops",
  };

  it("holds from its start until before its end", () => {
    const calendar = [ChangeFreeze.parse(holidays)];
    const at = (text: string) => freezeAt(calendar, Date.parse(text))?.owner;
    expect(at("2026-12-19T22:59:59Z")).toBeUndefined();
    expect(at("2026-12-19T23:00:00Z")).toBe("ops");
    expect(at("2027-01-04T06:59:59Z")).toBe("ops");
    expect(at("2027-01-04T07:00:00Z")).toBeUndefined();
  });

  it("that ends before it begins is refused", () => {
    const found = ChangeFreeze.safeParse({ ...holidays, until: "2026-12-01T00:00" });
    expect(found.error?.issues[0]).toMatchObject({ path: ["until"] });
  });
});
