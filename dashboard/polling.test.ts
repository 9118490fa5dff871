import { describe, expect, it } from "vitest";
import { LONG_REST_MS, pauseAfterRead, REST_MS } from "./polling.ts";

describe("the pause before the next read", () => {
  it.each([
    ["while something moves", { isBusy: true, failures: 0 }, 2_000],
    ["while nothing does", { isBusy: false, failures: 0 }, 15_000],
    ["of what is costly", { isBusy: false, failures: 0, restMs: LONG_REST_MS }, 60_000],
    ["after a failure", { isBusy: true, failures: 1 }, 4_000],
    ["after a failure while nothing moves", { isBusy: false, failures: 1 }, 15_000],
    ["after many failures", { isBusy: true, failures: 30 }, 60_000],
  ])("%s", (_, last, expected) => {
    expect(pauseAfterRead({ restMs: REST_MS, ...last })).toBe(expected);
  });
});
