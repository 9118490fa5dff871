import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Attempt, withBackOff } from "./back-off.ts";

const delays = vi.hoisted((): number[] => []);
vi.mock("node:timers/promises", () => ({
  setTimeout: async (ms: number) => void delays.push(Math.round(ms)),
}));

const policy = { retriesMax: 3, delayMs: 20, delayMsMax: 50 };

function conflictsThen(conflicts: number) {
  const state = { attempts: 0 };
  const attempt = async (): Promise<Attempt<string>> => {
    state.attempts += 1;
    return state.attempts > conflicts ? { value: "done" } : { conflict: state.attempts };
  };
  return { state, attempt };
}

const exhausted = (conflict: unknown) => new Error("busy", { cause: conflict });

describe("withBackOff", () => {
  beforeEach(() => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    delays.length = 0;
  });
  afterEach(() => vi.restoreAllMocks());

  it("does not wait when the first attempt has a value", async () => {
    const { state, attempt } = conflictsThen(0);
    expect(await withBackOff(policy, attempt, exhausted)).toBe("done");
    expect({ ...state, delays }).toEqual({ attempts: 1, delays: [] });
  });

  it("doubles the longest delay up to its limit", async () => {
    const { attempt } = conflictsThen(3);
    expect(await withBackOff(policy, attempt, exhausted)).toBe("done");
    expect(delays).toEqual([20, 40, 50]);
  });

  it("draws each delay between zero and the longest", async () => {
    vi.mocked(Math.random).mockReturnValue(0);
    await withBackOff(policy, conflictsThen(3).attempt, exhausted);
    expect(delays).toEqual([0, 0, 0]);
  });

  it("gives up after the last retry, with the last conflict", async () => {
    const { state, attempt } = conflictsThen(9);
    await expect(withBackOff(policy, attempt, exhausted)).rejects.toMatchObject({
      message: "busy",
      cause: 4,
    });
    expect(state.attempts).toBe(4);
  });

  it("lets an error of the attempt through at once", async () => {
    const failing = () => Promise.reject(new Error("denied"));
    await expect(withBackOff(policy, failing, exhausted)).rejects.toThrow("denied");
    expect(delays).toEqual([]);
  });
});
