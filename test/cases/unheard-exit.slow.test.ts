import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { PATIENCE_MS, qemu, unlessQemu } from "../e2e/testing/stage.ts";
import { CaseStage } from "./testing/case-stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

describe.skipIf(qemu === undefined)(
  `a guest that ends while its agent is down${unlessQemu}`,
  () => {
    let cases: CaseStage;

    beforeAll(async () => {
      cases = await CaseStage.start();
    });
    afterAll(() => cases?.close());

    it("is recorded as ended, not as one that may still run there", async () => {
      await cases.start("vm");
      cases.interfere({
        onCommand: async (command) => {
          if (command.verb !== "target.prepare") return command;
          const agent = cases.fleet.agent("host-a");
          agent.kill("SIGKILL");
          await agent.exited;
          cases.stage.killGuest("vm", "host-a");
          cases.fleet.startAgent("host-a");
          return command;
        },
      });
      const ended = await cases.ends(await cases.begin("vm", {}), PATIENCE_MS);
      expect(ended).toMatchObject({ status: "failed", failure: { code: "guest-lost" } });
      expect(ended.failure?.message).toBe(
        "the source's QEMU process ended: its QEMU ended while the agent was not running",
      );
      expect(await cases.api.getVm("vm")).toMatchObject({ state: "failed" });
    });
  },
);
