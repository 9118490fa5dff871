import { describe, expect, it } from "vitest";
import type { SourceInput, SourceState } from "./state.ts";
import { ACK_OBSERVED, ack, figures, final, GATED, permit, play, status } from "./testing/play.ts";

/** The gate holds for the copies alone. */
const COPYING: SourceState = {
  ...ACK_OBSERVED,
  isAcked: true,
  gate: "holding",
  isGated: false,
  copies: "copying",
};
/** And for the policy's permit. */
const BOTH: SourceState = { ...COPYING, isGated: true };

const ready: SourceInput = { type: "copied", copies: "ready" };
const behind: SourceInput = { type: "copied", copies: "copying" };
const lost: SourceInput = { type: "copy-failed", reason: "Disk data: No space left on device" };
const opened: SourceInput = { type: "gate-opened", by: undefined };
const refused: SourceInput = { type: "gate-not-opened" };
/** The first pass is over, and nothing is left. */
const sent = figures({
  dirtySyncCount: 1,
  ramRemainingBytes: 0,
  ramTransferredBytes: 1,
  bandwidthBytesPerSecond: 1e9,
});
const sending = figures({ dirtySyncCount: 1, ramRemainingBytes: 1e9, bandwidthBytesPerSecond: 1 });
const busy = figures({ dirtySyncCount: 2, ramRemainingBytes: 1e9, bandwidthBytesPerSecond: 1 });

const CALM = "> calm-hold";

describe("a gate that holds for copies", () => {
  it.each<[string, SourceState, SourceInput[], string[]]>([
    ["opens when memory and disks are ready", COPYING, [sent, ready], [CALM, "> open-gate"]],
    ["waits for the first pass over memory", COPYING, [sending, ready], []],
    [
      "does not wait for memory to converge",
      COPYING,
      [busy, ready],
      ["> apply-link-bandwidth", "> open-gate"],
    ],
    [
      "opens with the figures that come later",
      COPYING,
      [ready, sent],
      ["converged", CALM, "> open-gate"],
    ],
    ["opens once", COPYING, [sent, ready, ready, behind, ready], [CALM, "> open-gate"]],
    ["opens at no permit of its own", COPYING, [sent, permit], [CALM]],
    ["is not reported as a hold", COPYING, [sent, ready, opened], [CALM, "> open-gate"]],
    [
      "is opened again where it could not be",
      COPYING,
      [sent, ready, refused, sent],
      [CALM, "> open-gate", "converged", CALM, "> open-gate"],
    ],
    ["waits for the permit, too", BOTH, [sent, ready], [CALM]],
    ["opens at the permit", BOTH, [sent, ready, permit], [CALM, "> open-gate"]],
    [
      "waits at the permit for disks that have fallen behind",
      BOTH,
      [sent, ready, behind, permit, behind, ready],
      [CALM, "> open-gate"],
    ],
    ["remembers a permit that came first", BOTH, [permit, sent, ready], [CALM, "> open-gate"]],
    ["is held once disks are ready", BOTH, [sent, ready, sent], [CALM, "converged", "held", CALM]],
  ])("%s", (_, from, inputs, follows) => {
    expect(play(inputs, from).trace).toEqual(follows);
  });

  it("has not converged before the disks are ready", () => {
    expect(play([sent], COPYING).state.isConverged).toBe(false);
    expect(play([sent], GATED).state.isConverged).toBe(true);
    expect(play([ready, sent], COPYING).state.isConverged).toBe(true);
  });
});

it("leaves the figures of its disks in those of the end", () => {
  const disks = { diskTotalBytes: 9, diskRemainingBytes: 0 };
  const { events } = play([status("completed"), { ...final(), disks } as SourceInput], COPYING);
  expect(events.map(({ event }) => event)).toContainEqual(
    expect.objectContaining({
      type: "migration.source-completed",
      figures: expect.objectContaining({ progress: expect.objectContaining(disks) }),
    }),
  );
});

describe("a copy that fails", () => {
  it.each(["active", "pre-switchover"])("cancels at status %s, once", (name) => {
    const { trace } = play([status(name), lost, lost], COPYING);
    expect(trace.filter((what) => what === "> cancel")).toHaveLength(1);
  });

  it("is the reason of the end, with a code of its own", () => {
    const { events } = play([lost, status("cancelled"), final()], COPYING);
    expect(events.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({
        type: "migration.failed",
        code: "disk-not-copied",
        errorDescription: "Disk data: No space left on device",
      }),
    );
  });

  it("changes nothing after the end", () => {
    const ended = [status("completed"), final()];
    const { trace } = play([...ended, lost, ready], COPYING);
    expect(trace).toEqual(play(ended, COPYING).trace);
  });

  it("is not hidden by the ACK", () => {
    expect(play([ack(0), lost], COPYING).trace).toContain("> cancel");
  });
});
