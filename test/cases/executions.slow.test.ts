import { SFNClient, StopExecutionCommand } from "@aws-sdk/client-sfn";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { endlessly, PATIENCE_MS } from "../e2e/testing/stage.ts";
import { awsClient } from "../faults/aws-client.ts";
import { CaseStage } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** On the model: the case concerns no QEMU. */
describe("a VM whose execution is gone is released", () => {
  let cases: CaseStage;
  let vm = "";

  beforeAll(async () => {
    const environment = { QEMU_MODEL: JSON.stringify({ counterPerSecond: 100 }) };
    cases = await CaseStage.start({ onModel: true, environment });
  });
  afterAll(() => cases?.close());
  beforeEach(() => {
    vm = cases.nextVm();
  });
  afterEach(() => cases?.remove(vm));

  it("B4: reconcile takes a VM whose execution was stopped", async () => {
    const id = await inPrecopy();
    await stopExecution(id);
    await cases.api.reconcileVm(vm);
    await expectReleased(id);
  });

  it("B4: a VM whose execution was stopped is found when the cloud starts", async () => {
    const id = await inPrecopy();
    await stopExecution(id);
    await cases.stage.restartCloud();
    await expectReleased(id);
  });

  async function inPrecopy(): Promise<string> {
    await cases.start(vm);
    const id = await cases.begin(vm, endlessly);
    await cases.stage.isInPrecopy(id);
    return id;
  }

  async function stopExecution(id: string): Promise<void> {
    const { executionArn = "" } = await cases.api.getMigration(id);
    const sfn = new SFNClient(awsClient(cases.fleet.environment, "AWS_ENDPOINT_URL_SFN"));
    try {
      await sfn.send(new StopExecutionCommand({ executionArn, cause: "by an operator" }));
    } finally {
      sfn.destroy();
    }
  }

  /** The record has a true end, and the guest can be moved again. */
  async function expectReleased(id: string): Promise<void> {
    const ended = await cases.ends(id);
    expect(ended.status).not.toBe("unknown");
    const { host } = await cases.becomes(vm, "running");
    expect(ended.runningOn).toBe(host);
    await cases.stage.runsOnlyOn(vm, host);
    await cases.stage.move(vm, host === "host-a" ? "host-b" : "host-a");
  }
});
