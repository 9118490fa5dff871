import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { QmpSession } from "../../../qmp/client.ts";
import { waitForCleanup } from "./earlier-migration.ts";

const monitor = { type: "chardev", id: "qmp" };
const left = { type: "migration" };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function answering(...answers: object[][]) {
  const execute = vi.fn(async () => (answers.length > 1 ? answers.shift() : answers[0]));
  return { qmp: { execute } as unknown as QmpSession, execute };
}

describe("an earlier migration of the process", () => {
  it("has left nothing: one question", async () => {
    const { qmp, execute } = answering([monitor]);
    await waitForCleanup(qmp);
    expect(execute.mock.calls).toEqual([["query-yank"]]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is cleaned up meanwhile: the next one waits for it", async () => {
    const { qmp, execute } = answering([monitor, left], [left, monitor], [monitor]);
    const waiting = waitForCleanup(qmp);
    await vi.advanceTimersByTimeAsync(1_000);
    await waiting;
    expect(execute).toHaveBeenCalledTimes(3);
  });

  it("hangs: the next one is refused before QEMU is asked, and the cure is named", async () => {
    const { qmp, execute } = answering([monitor, left]);
    const refused = expect(waitForCleanup(qmp)).rejects.toMatchObject({
      name: "CommandRefusedError",
      code: "refused",
      message: expect.stringContaining("shut it down"),
    });
    await vi.advanceTimersByTimeAsync(6_000);
    await refused;
    expect(execute.mock.calls.every(([command]: unknown[]) => command === "query-yank")).toBe(true);
  });
});
