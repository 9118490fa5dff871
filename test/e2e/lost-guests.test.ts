import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  endlessly,
  PATIENCE_MS,
  qemu,
  Stage,
  TRANSITIONS_MAX,
  unlessQemu,
} from "./testing/stage.ts";

describe.skipIf(qemu === undefined)(`a QEMU killed in precopy${unlessQemu}`, () => {
  let stage: Stage;
  // One slot each: a slot that is not released blocks the next migration.
  const host = { slotsIn: 1, slotsOut: 1 };

  beforeAll(async () => {
    stage = await Stage.start({ host });
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  it(
    "the target's: the guest runs on at the source, and can be moved again at once",
    async () => {
      await stage.guest("kept");
      const { id } = await stage.api.createMigration({
        vm: "kept",
        target: "host-b",
        policy: endlessly,
      });
      await stage.isInPrecopy(id);
      stage.killGuest("kept", "host-b");

      const ended = await stage.ends(id);
      expect(ended).toMatchObject({ status: "failed", runningOn: "host-a" });
      expect(ended.failure).toMatchObject({ phase: "precopy" });
      expect(ended.failure?.state).toContain("the guest is on host-a");
      expectPlainTexts(ended.failure);
      expect((await stage.states(ended)).length).toBeLessThanOrEqual(TRANSITIONS_MAX);
      await stage.runsOnlyOn("kept", "host-a");
      await stage.move("kept", "host-b");
      await stage.runsOnlyOn("kept", "host-b");
    },
    PATIENCE_MS * 2,
  );

  it(
    "the source's: the guest is recorded as lost, and the target is cleaned up",
    async () => {
      await stage.guest("lost");
      const { id } = await stage.api.createMigration({
        vm: "lost",
        target: "host-b",
        policy: endlessly,
      });
      await stage.isInPrecopy(id);
      stage.killGuest("lost", "host-a");

      const ended = await stage.ends(id);
      expect(ended).toMatchObject({ status: "failed", failure: { code: "guest-lost" } });
      expect(ended).not.toHaveProperty("runningOn");
      expectPlainTexts(ended.failure);
      expect(await stage.api.getVm("lost")).toMatchObject({ state: "failed" });
      expect(await stage.api.getVm("lost")).not.toHaveProperty("lockedBy");
      await stage.hasExited("lost", "host-b");
      await stage.hasExited("lost", "host-a");
    },
    PATIENCE_MS * 2,
  );
});

/** Sentences for people: no JSON, no stack, nothing empty. */
function expectPlainTexts(failure: object | undefined): void {
  for (const text of Object.values(failure ?? {})) {
    expect(text).toMatch(/^[^{}]{3,}$/);
    expect(text).not.toMatch(/\bat .*:\d+:\d+|undefined|\[object|errorType/);
  }
  expect(Object.keys(failure ?? {})).toContain("cure");
}
