import { describe, expect, it } from "vitest";
import type { SourceInput, SourceState } from "./state.ts";
import { AT_MS, ATTACHED, final, status, stop } from "./testing/play.ts";
import { nextSourceState } from "./transitions.ts";

const gaveUp = (code: "stream-silent" | "target-host-silent"): SourceInput => ({
  type: "watch-gave-up",
  gaveUp: { code, reason: "no answer" },
});

/** The last input's step, after all the others. */
function last(inputs: readonly SourceInput[], from: SourceState = ATTACHED) {
  let step = nextSourceState(from, { type: "started" });
  for (const input of inputs) step = nextSourceState(step.state, input);
  return step;
}

describe("what the agent's own watches find", () => {
  it("B6: a silent stream in precopy is cancelled", () => {
    const { actions } = last([gaveUp("stream-silent")]);
    expect(actions).toEqual([{ type: "cancel", orContinue: false }]);
  });

  it("a silent target's host in the switchover has the stream yanked", () => {
    expect(last([stop, gaveUp("target-host-silent")]).actions).toEqual([{ type: "yank" }]);
  });

  it.each<[string, SourceInput[]]>([
    ["a silent stream after STOP", [stop, gaveUp("stream-silent")]],
    ["a silent host before STOP", [gaveUp("target-host-silent")]],
    ["a silent host in postcopy", [stop, status("postcopy-active"), gaveUp("target-host-silent")]],
    ["a silent host after the end", [stop, status("completed"), gaveUp("target-host-silent")]],
  ])("%s changes nothing", (_, inputs) => {
    expect(last(inputs).actions).toEqual([]);
  });

  it.each(["stream-silent", "target-host-silent"] as const)("%s is the failure's code", (code) => {
    const before = code === "target-host-silent" ? [stop] : [];
    const { events } = last([...before, gaveUp(code), status("failed"), final()]);
    expect(events).toMatchObject([
      { event: { type: "migration.failed", code, errorDescription: "no answer" } },
    ]);
  });

  it("a migration that completes after all has completed", () => {
    const inputs = [stop, gaveUp("target-host-silent"), status("completed"), final()];
    const { events } = last(inputs);
    expect(events).toMatchObject([{ event: { type: "migration.source-completed" }, atMs: AT_MS }]);
  });
});
