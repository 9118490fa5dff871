import { describe, expect, it } from "vitest";
import { observation } from "../../core/protocol/testing/observation.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { guestAtSource, guestAtTarget } from "./settled-guest.ts";

const record = (fields: Partial<StoredMigration>) =>
  ({ stateBefore: "running", ...fields }) as StoredMigration;
const seen = (runState: string, seq: number, reason?: string) => ({
  runState,
  seq,
  atMs: 0,
  ...(reason === undefined ? {} : { reason }),
});
const unreported = "its host has not reported its run state";

describe("the guest on the target", () => {
  it.each<[string, Partial<StoredMigration>, object]>([
    ["arrived running", { arrivedAs: "running", arrivedSeq: 7 }, { state: "running", seq: 7 }],
    ["arrived asleep", { arrivedAs: "suspended", arrivedSeq: 7 }, { state: "suspended" }],
    ["arrived paused", { arrivedAs: "paused" }, { state: "paused", runState: "paused" }],
    ["arrived with an I/O error", { arrivedAs: "io-error" }, { state: "io-error" }],
    ["arrived after a panic", { arrivedAs: "guest-panicked" }, { state: "panicked" }],
    [
      "was paused before it was let run",
      { arrivedAs: "running", arrivedSeq: 7, targetRunState: seen("paused", 6) },
      { state: "running", runState: "running", seq: 7 },
    ],
    [
      "stopped after it had arrived",
      { arrivedAs: "running", arrivedSeq: 7, targetRunState: seen("io-error", 8, "read error") },
      { state: "io-error", reason: "read error", seq: 8 },
    ],
    [
      "ended after it had arrived",
      { arrivedAs: "running", arrivedSeq: 7, targetExit: { state: "stopped", detail: "off" } },
      { state: "stopped", reason: "off" },
    ],
    [
      "was only observed",
      { observations: { target: observation("target", { runState: "running" }) } },
      { state: "running" },
    ],
    [
      "was observed to have exited",
      { observations: { target: observation("target", { process: "exited" }) } },
      { state: "failed" },
    ],
    ["was never reported", {}, { state: "paused", reason: unreported }],
  ])("%s", (_, fields, guest) => {
    expect(guestAtTarget(record(fields))).toMatchObject(guest);
  });
});

describe("the guest on the source", () => {
  const observed = (runState: string) => ({ source: observation("source", { runState }) });

  it.each<[string, Partial<StoredMigration>, object]>([
    [
      "by its host's events, before all",
      { sourceRunState: seen("io-error", 3, "disk"), observations: observed("running") },
      { state: "io-error", runState: "io-error", reason: "disk", seq: 3 },
    ],
    ["by the last observation", { observations: observed("suspended") }, { state: "suspended" }],
    [
      "by negotiation, when the switchover has stopped it",
      { observations: observed("postmigrate"), runStateBefore: "paused" },
      { state: "paused", runState: "paused" },
    ],
    ["as it was before", { stateBefore: "paused" }, { state: "paused" }],
  ])("%s", (_, fields, guest) => {
    expect(guestAtSource(record(fields))).toEqual(expect.objectContaining(guest));
  });
});
