import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { crashHost } from "../../rig/host-crash.ts";
import { PATIENCE_MS, qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { CaseStage } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: 2 * PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** More than the 30 s that an earlier version gave every guest. */
const DELAY_SECONDS = 33;
/** Such a guest is given 38 s. */
const LARGE = { memoryBytes: 4 * 2 ** 30 };

describe.skipIf(qemu === undefined)(`a target that allocates its memory first${unlessQemu}`, () => {
  let cases: CaseStage;

  beforeAll(async () => {
    cases = await CaseStage.start({ targetDelaySeconds: DELAY_SECONDS });
  });
  afterAll(() => cases?.close());

  it("B7: is waited for, and the move completes", async () => {
    await cases.start("vm", LARGE);
    const ended = await cases.ends(await cases.begin("vm", {}), 2 * PATIENCE_MS);
    expect(ended.failure).toBeUndefined();
    expect(ended).toMatchObject({ status: "completed", runningOn: "host-b" });
    expect(ended.targetStartMs).toBeGreaterThan(DELAY_SECONDS * 900);
    await cases.stage.runsOnlyOn("vm", "host-b");
  });

  it("B7: whose host crashes meanwhile does not hold the guest", async () => {
    await cases.start("other");
    const id = await cases.begin("other", {});
    await cases.stage.reaches(id, "prepare");
    await crashHost(cases.fleet, "host-b", "nothing");
    await cases.fleet.startAgentWithoutKey("host-b");
    await cases.api.cancelMigration(id).catch(() => undefined);
    const ended = await cases.ends(id, 2 * PATIENCE_MS);
    expect(["failed", "cancelled"]).toContain(ended.status);
    expect(ended.runningOn).toBe("host-a");
    await cases.stage.runsOnlyOn("other", "host-a");
  });
});
