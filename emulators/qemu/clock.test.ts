import { describe, expect, it } from "vitest";
import { createVirtualClock } from "./clock.ts";
import { createTaskRunner, type Task } from "./task.ts";

describe("virtual clock", () => {
  it("runs what is due in order of time, then of asking", () => {
    const clock = createVirtualClock();
    const seen: string[] = [];
    clock.after(20, () => seen.push(`late at ${clock.nowMs()}`));
    clock.after(10, () => seen.push("first"));
    clock.after(10, () => seen.push("second"));
    clock.after(5, () => seen.push("cancelled")).cancel();
    clock.advance(20);
    expect(seen).toEqual(["first", "second", "late at 20"]);
    expect(clock.pending()).toBe(0);
  });

  it("stops at a condition, and at its limit", () => {
    const clock = createVirtualClock();
    let count = 0;
    const tick = (): void => {
      count += 1;
      clock.after(1, tick);
    };
    tick();
    expect(clock.runUntil(() => count === 5, 100)).toBe(true);
    expect(clock.nowMs()).toBe(4);
    expect(clock.runUntil(() => count === 500, 100)).toBe(false);
    expect(clock.nowMs()).toBe(104);
  });
});

describe("task runner", () => {
  it("wakes a task by its condition or its deadline, whichever is first", () => {
    const clock = createVirtualClock();
    const tasks = createTaskRunner(clock);
    const seen: number[] = [];
    let isOpen = false;
    function* wait(): Task {
      yield { until: () => isOpen, deadlineMs: 100 };
      seen.push(clock.nowMs());
    }
    tasks.spawn(wait());
    tasks.spawn(wait());
    clock.advance(10);
    isOpen = true;
    tasks.poke();
    expect(seen).toEqual([10, 10]);
    isOpen = false;
    tasks.spawn(wait());
    clock.advance(200);
    expect(seen[2]).toBe(100);
  });

  it("runs nothing while it is frozen, and never after it was halted", () => {
    const clock = createVirtualClock();
    const tasks = createTaskRunner(clock);
    const seen: number[] = [];
    function* every10(): Task {
      for (;;) {
        yield { deadlineMs: clock.nowMs() + 10 };
        seen.push(clock.nowMs());
      }
    }
    tasks.spawn(every10());
    tasks.freeze(true);
    clock.advance(50);
    expect(seen).toEqual([]);
    tasks.freeze(false);
    expect(seen).toEqual([50]);
    tasks.halt();
    clock.advance(50);
    expect(seen).toEqual([50]);
  });

  it("hands an error to whoever spawned the task", () => {
    const tasks = createTaskRunner(createVirtualClock());
    let caught: unknown;
    function* fail(): Task {
      yield { deadlineMs: 0 };
      throw new Error("no");
    }
    tasks.spawn(fail(), (error) => {
      caught = error;
    });
    expect(caught).toEqual(new Error("no"));
  });
});
