import { describe, expect, it } from "vitest";
import { courseOf, hasFigures } from "./course.ts";

const at = "2026-11-30T10:00:00.000Z";

describe("the course of a migration", () => {
  it("has a column for each figure, with gaps where QEMU says nothing", () => {
    const samples = [
      { at, progress: { status: "setup" } },
      {
        at: "2026-11-30T10:00:01.500Z",
        progress: { status: "active", ramRemainingBytes: 5, bandwidthBytesPerSecond: 3 },
      },
    ];
    const course = courseOf({} as never, samples as never, []);
    expect([course.startMs, ...course.atSeconds]).toEqual([Date.parse(at), 0, 1.5]);
    expect(course.leftBytes).toEqual([null, 5]);
    expect(course.bandwidth).toEqual([null, 3]);
    expect(course.dirty).toEqual([null, null]);
  });

  it.each([
    ["no sample", [], false],
    ["a sample without figures", [{ at, progress: { status: "silent" } }], false],
    ["what is left", [{ at, progress: { status: "active", ramRemainingBytes: 0 } }], true],
    ["the dirty rate", [{ at, progress: { status: "active", dirtyBytesPerSecond: 1 } }], true],
  ])("can be drawn if it has figures: %s", (_name, samples, expected) => {
    expect(hasFigures(courseOf({} as never, samples as never, []))).toBe(expected);
  });

  it("marks ACK, STOP, RESUME and each rung in their order", () => {
    const migration = { ack: { ackedAtMs: 30 }, stoppedAtMs: 40, targetRunningAtMs: 50 };
    const rung = { at: new Date(35).toISOString(), type: "migration.rung" };
    const timeline = [{ ...rung, origin: "host-a", detail: { rung: 1, action: "throttle" } }];
    const { marks } = courseOf(migration as never, [], timeline);
    expect(marks.map(({ key, name }) => `${key} ${name}`)).toEqual([
      "A ACK",
      "1 rung: throttle",
      "S STOP",
      "R RESUME",
    ]);
  });
});
