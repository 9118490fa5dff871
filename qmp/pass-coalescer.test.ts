import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createCounters } from "./counters.ts";
import { isPassLine, PassCoalescer } from "./pass-coalescer.ts";
import { encodeEvent } from "./testing/fake-server.ts";

describe("isPassLine", () => {
  const timestamp = '"timestamp": {"seconds": 1795251070, "microseconds": 430749}';

  it.each([
    ["QEMU's own line", `{${timestamp}, "event": "MIGRATION_PASS", "data": {"pass": 2}}\r`, true],
    ["another event", encodeEvent("MIGRATION", { status: "active" }), false],
    ["an event of a longer name", `{${timestamp}, "event": "MIGRATION_PASSED"}`, false],
    ["another order of members", `{"event": "MIGRATION_PASS", ${timestamp}}`, false],
    [
      "an answer that contains it",
      `{"return": [{"x": {}, "event": "MIGRATION_PASS"}], "id": 1}`,
      false,
    ],
    [
      "the words inside a string",
      `{${timestamp}, "event": "X", "data": {"x": "}, \\"event\\": \\"MIGRATION_PASS\\""}}`,
      false,
    ],
    ["a short line", "{", false],
  ])("recognises %s", (_what, line, expected) => {
    expect(isPassLine(Buffer.from(line))).toBe(expected);
  });
});

describe("PassCoalescer", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function create() {
    const delivered: [string, number][] = [];
    const counters = createCounters();
    const coalescer = new PassCoalescer({
      intervalMs: 100,
      counters,
      deliver: (line, count) => void delivered.push([line.toString(), count]),
    });
    return {
      delivered,
      counters,
      add: (text: string) => coalescer.add(Buffer.from(text)),
      coalescer,
    };
  }

  it("delivers the first at once, then the newest once per interval with a count", () => {
    const { delivered, counters, add } = create();
    for (const text of ["1", "2", "3", "4"]) add(text);
    expect(delivered).toEqual([["1", 1]]);
    vi.advanceTimersByTime(99);
    expect(delivered).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(delivered.slice(1)).toEqual([["4", 3]]);
    expect(counters).toMatchObject({ passEventsReceived: 4, passEventsCoalesced: 2 });
  });

  it("delivers a lone event at once after a pause, and starts no timer", () => {
    const { delivered, add } = create();
    add("1");
    vi.advanceTimersByTime(100);
    add("2");
    expect(delivered).toEqual([
      ["1", 1],
      ["2", 1],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is flooded by many since the last delivery only", () => {
    const { add, coalescer } = create();
    for (let index = 0; index < 32; index++) add("x");
    expect(coalescer.isFlooded).toBe(false);
    add("x");
    expect(coalescer.isFlooded).toBe(true);
    coalescer.flush();
    expect(coalescer.isFlooded).toBe(false);
  });

  it("flushes what waits, once", () => {
    const { delivered, add, coalescer } = create();
    for (const text of ["1", "2"]) add(text);
    coalescer.flush();
    coalescer.flush();
    vi.advanceTimersByTime(1_000);
    expect(delivered.slice(1)).toEqual([["2", 1]]);
  });
});
