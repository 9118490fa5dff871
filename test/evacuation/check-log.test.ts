import { describe, expect, it } from "vitest";
import { faultsIn } from "./testing/check-log.ts";

type Logged = Parameters<typeof faultsIn>[0][number];

const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;
const fleet = {
  places: new Map([
    ["v1", "a"],
    ["v2", "a"],
  ]),
  slots: 1,
  pool: 0,
  room: 2,
};

function moved(vm: string, from: number, to: number, rest: object = {}): Logged {
  const times = { admittedAt: at(from), slotsSince: at(from), endedAt: at(to) };
  const sides = { source: "a", target: "b", runningOn: "b" };
  return { id: `${vm}-${from}`, vm, ...sides, status: "completed", ...times, ...rest } as Logged;
}

describe("the checker of the log", () => {
  it.each<[string, Logged[], RegExp]>([
    ["two at once in one slot", [moved("v1", 1, 3), moved("v2", 2, 4)], /2 slots of a out/],
    ["a guest that is elsewhere", [moved("v1", 1, 2, { source: "c" })], /v1 is on a, not c/],
    ["one guest twice at once", [moved("v1", 1, 4), moved("v1", 2, 3)], /v1 is in two migrations/],
    ["no end", [moved("v1", 1, 2, { endedAt: undefined })], /v1 is still moving/],
    ["an unknown end", [moved("v1", 1, 2, { status: "unknown" })], /v1 is still moving/],
    [
      "one that sent without slots",
      [moved("v1", 1, 2, { slotsSince: undefined })],
      /without slots/,
    ],
    ["a failure that lost it", [moved("v1", 1, 2, { status: "failed" })], /v1 runs on b/],
  ])("finds %s", (_, log, fault) => {
    expect(faultsIn(log, fleet).join()).toMatch(fault);
  });

  it("counts those that are prepared by their places, until they have slots", () => {
    const ahead = { ...fleet, pool: 1 };
    const prepared = moved("v2", 1, 4, { slotsSince: at(2) });
    expect(faultsIn([moved("v1", 1, 2), prepared], ahead)).toEqual([]);
    expect(faultsIn([moved("v1", 1, 3), prepared], ahead).join()).toMatch(/2 slots of a out/);
    expect(faultsIn([moved("v1", 1, 2), prepared], fleet).join()).toMatch(
      /2 admitted of a out, not 1 and 0/,
    );
  });

  it("finds memory that is held twice while a guest moves, and no longer", () => {
    const tight = { ...fleet, room: 1, slots: 2 };
    expect(faultsIn([moved("v1", 1, 2), moved("v2", 3, 4)], tight).join()).toMatch(
      /v2-3: b has 2 guests, and room for 1/,
    );
    const failed = moved("v1", 1, 2, { status: "failed", runningOn: "a" });
    expect(faultsIn([failed, moved("v2", 2, 3)], tight)).toEqual([]);
  });

  it("finds nothing wrong with a guest that ends by itself, but with its next move", () => {
    const ended = {
      status: "failed",
      runningOn: undefined,
      endState: { host: "a", state: "stopped" },
    };
    expect(faultsIn([moved("v1", 1, 2, ended)], fleet)).toEqual([]);
    const log = [moved("v1", 1, 2, ended), moved("v1", 3, 4)];
    expect(faultsIn(log, fleet).join()).toMatch(/v1 is on undefined, not a/);
  });

  it("finds nothing in moves one after the other, at one instant too", () => {
    expect(faultsIn([moved("v1", 1, 2), moved("v2", 2, 3)], fleet)).toEqual([]);
    expect(faultsIn([moved("v2", 1, 1), moved("v1", 1, 1)], fleet)).toEqual([]);
  });
});
