import { describe, expect, it } from "vitest";
import type { SourceInput, SourceState } from "./state.ts";
import { AT_MS, ATTACHED, final, status, stop } from "./testing/play.ts";
import { nextSourceState } from "./transitions.ts";

const gaveUp = (
  during: "precopy" | "switchover",
  code: "stream-silent" | "target-host-silent",
): SourceInput => ({
  type: "watch-gave-up",
  gaveUp: { during, code, reason: "no answer" },
});
const silentStream = gaveUp("precopy", "stream-silent");
const deadPath = gaveUp("switchover", "stream-silent");
const silentHost = gaveUp("switchover", "target-host-silent");

/** The last input's step, after all the others. */
function last(inputs: readonly SourceInput[], from: SourceState = ATTACHED) {
  let step = nextSourceState(from, { type: "started" });
  for (const input of inputs) step = nextSourceState(step.state, input);
  return step;
}

describe("what the agent's own watches find", () => {
  it("B6: a silent stream in precopy is cancelled", () => {
    const { actions } = last([silentStream]);
    expect(actions).toEqual([{ type: "cancel", orContinue: false }]);
  });

  it.each([
    ["silent target's host", silentHost],
    ["path that carries nothing", deadPath],
  ])("a %s in the switchover has the stream yanked", (_, input) => {
    expect(last([stop, input]).actions).toEqual([{ type: "yank" }]);
  });

  it.each<[string, SourceInput[]]>([
    ["a silent stream after STOP", [stop, silentStream]],
    ["a silent host before STOP", [silentHost]],
    ["a path that carries nothing before STOP", [deadPath]],
    ["a silent host in postcopy", [stop, status("postcopy-active"), silentHost]],
    ["a silent host after the end", [stop, status("completed"), silentHost]],
  ])("%s changes nothing", (_, inputs) => {
    expect(last(inputs).actions).toEqual([]);
  });

  it.each([
    ["stream-silent", [silentStream]],
    ["stream-silent", [stop, deadPath]],
    ["target-host-silent", [stop, silentHost]],
  ])("%s is the failure's code", (code, inputs) => {
    const { events } = last([...inputs, status("failed"), final()]);
    expect(events).toMatchObject([
      { event: { type: "migration.failed", code, errorDescription: "no answer" } },
    ]);
  });

  it("a migration that completes after all has completed", () => {
    const inputs = [stop, silentHost, status("completed"), final()];
    const { events } = last(inputs);
    expect(events).toMatchObject([{ event: { type: "migration.source-completed" }, atMs: AT_MS }]);
  });
});
