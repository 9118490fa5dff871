import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ImageLock } from "../../rig/image-lock.ts";
import { qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { briefly, CaseStage } from "./testing/case-stage.ts";

/** Each of a bounded number of tries takes up to 15 s, with pauses between them. */
const END_MS = 600_000;
vi.setConfig({ testTimeout: 2 * END_MS, hookTimeout: END_MS });

const DATA_SECTORS = 256;

describe.skipIf(qemu === undefined)(`refusals that never end${unlessQemu}`, () => {
  let cases: CaseStage;

  beforeAll(async () => {
    cases = await CaseStage.start();
  });
  afterAll(() => cases?.close());

  it("A1: a disk locked for good ends as unknown, and a person gets the guest out", async () => {
    const dataPath = await cases.startDataGuest("vm", DATA_SECTORS);
    const id = await cases.begin("vm", briefly);
    await cases.stage.isInPrecopy(id);
    const lock = await ImageLock.hold(dataPath);
    try {
      const ended = await cases.ends(id, END_MS);
      // Both hosts have the one file: the source is refused as the target was.
      expect(ended.status).toBe("unknown");
      expect(ended).not.toHaveProperty("runningOn");
      expect((await cases.api.getVm("vm")).state).toBe("unknown");
      expect(cases.fleet.guestPid("host-a", "vm")).toBeDefined();
    } finally {
      await lock.release();
    }
    await cases.api.reconcileVm("vm");
    await cases.ends(id, END_MS);
    const { host } = await cases.becomes("vm", "running");
    await cases.stage.runsOnlyOn("vm", host);
  });
});
