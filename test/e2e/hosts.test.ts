import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HostState } from "../../core/host/host-state.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { endlessly, PATIENCE_MS, qemu, Stage, unlessQemu } from "./testing/stage.ts";

describe.skipIf(qemu === undefined)(`the hosts of a running fleet${unlessQemu}`, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start({ agent: { heartbeatIntervalMs: 1_000 } });
    await stage.guest("vm");
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  async function shown(host: string, state: HostState): Promise<void> {
    await waitUntil(
      `${host} to be ${state}`,
      async () => ((await stage.api.getHost(host)).state === state ? true : undefined),
      { timeoutMs: PATIENCE_MS },
    );
  }

  it("report what a plan asks of them", async () => {
    const { facts } = await stage.api.getHost("host-a");
    expect(facts).toMatchObject({
      kernel: release(),
      accelerators: expect.arrayContaining(["tcg"]),
      linkBytesPerSecond: expect.any(Number),
      resources: [],
      tls: expect.arrayContaining(["psk"]),
      hooks: [],
    });
  });

  it("are named, each with its reasons, in the placement of a VM", async () => {
    expect(await stage.api.getPlacement("vm")).toMatchObject({
      host: "host-a",
      fitting: ["host-b"],
    });
    await stage.api.cordonHost("host-b", { owner: "ops", message: "disk swap" });
    const { fitting, reasons } = await stage.api.getPlacement("vm");
    expect(fitting).toEqual([]);
    expect(reasons).toMatchObject([
      {
        hosts: ["host-b"],
        blockers: [{ code: "cordoned", message: /by ops since .*: disk swap/ }],
      },
    ]);
    const refused = stage.api.createMigration({ vm: "vm", target: "host-b" });
    await expect(refused).rejects.toMatchObject({ status: 409, problem: { code: "cordoned" } });
    const { cleared } = await stage.api.uncordonHost("host-b");
    expect(cleared).toMatchObject([{ owner: "ops" }]);
  });

  it(
    "are silent when their agents are gone, while their guests run on, and heard again after",
    async () => {
      await stage.api.changeHost("host-a", { labels: { rack: "7" }, slotsOut: 1 });
      await stage.api.cordonHost("host-a", { owner: "ops" });
      const agent = stage.fleet.agent("host-a");
      agent.kill("SIGKILL");
      await agent.exited;
      await shown("host-a", "silent");
      await stage.counts("vm", "host-a");
      expect(await stage.api.getVm("vm")).toMatchObject({ state: "running", host: "host-a" });
      const refused = stage.api.createMigration({ vm: "vm", target: "host-b" });
      await expect(refused).rejects.toMatchObject({ problem: { code: "host-silent" } });
      stage.fleet.startAgent("host-a");
      await shown("host-a", "cordoned");
      expect(await stage.api.getHost("host-a")).toMatchObject({
        labels: { rack: "7" },
        slotsOut: 1,
        cordons: [{ owner: "ops" }],
      });
      await stage.api.uncordonHost("host-a");
    },
    PATIENCE_MS,
  );

  it(
    "go into maintenance when they are empty, stay there over a restart of the agent, and return",
    async () => {
      const refused = stage.api.maintainHost("host-a");
      await expect(refused).rejects.toMatchObject({ problem: { code: "host-not-empty" } });
      await stage.move("vm", "host-b");
      await stage.api.maintainHost("host-a", { owner: "ops", message: "memory" });
      const before = await stage.api.getHost("host-a");
      await stage.restartAgent("host-a");
      await waitUntil(
        "the registration of host-a",
        async () => {
          const { lastEventAt } = await stage.api.getHost("host-a");
          return lastEventAt === before.lastEventAt ? undefined : true;
        },
        { timeoutMs: PATIENCE_MS },
      );
      expect(await stage.api.getHost("host-a")).toMatchObject({
        state: "maintenance",
        stateBy: { owner: "ops", message: "memory" },
      });
      const back = stage.api.createMigration({ vm: "vm", target: "host-a" });
      await expect(back).rejects.toMatchObject({ problem: { code: "host-maintenance" } });
      await stage.api.returnHost("host-a");
      const { id, endedAt, figures } = await stage.move("vm", "host-a");
      await stage.runsOnlyOn("vm", "host-a");
      const { learned } = await stage.api.getVm("vm");
      expect(learned).toMatchObject({ migration: id, at: endedAt, prepareMs: expect.any(Number) });
      const sentBytes = figures?.progress.ramTransferredBytes ?? 0;
      expect(learned?.firstPassBytes).toBeGreaterThan(0);
      expect(learned?.firstPassBytes).toBeLessThanOrEqual(sentBytes);
    },
    PATIENCE_MS * 2,
  );

  it(
    "are confirmed to be down by a person, which ends what their silence keeps open",
    async () => {
      await stage.guest("idle", "host-b");
      await stage.guest("moving", "host-b");
      const { id } = await stage.api.createMigration({
        vm: "moving",
        target: "host-a",
        policy: endlessly,
      });
      await stage.isInPrecopy(id);
      const early = stage.api.confirmHostDown("host-b");
      await expect(early).rejects.toMatchObject({ problem: { code: "host-not-silent" } });
      const agent = stage.fleet.agent("host-b");
      agent.kill("SIGKILL");
      await agent.exited;
      for (const vm of ["idle", "moving"]) stage.killGuest(vm, "host-b");
      await shown("host-b", "silent");
      const by = { owner: "ops", message: "no power" };
      expect(await stage.api.confirmHostDown("host-b", by)).toMatchObject({
        host: { state: "silent", down: by },
        failed: ["idle"],
        reconciling: [{ vm: "moving", migration: id }],
      });
      expect(await stage.ends(id)).toMatchObject({
        status: "failed",
        failure: { code: "guest-lost" },
      });
      for (const vm of ["idle", "moving"]) {
        expect(await stage.api.getVm(vm)).toMatchObject({ state: "failed", host: "host-b" });
        await stage.api.deleteVm(vm);
      }
      await stage.hasExited("moving", "host-a");
      stage.fleet.startAgent("host-b");
      await shown("host-b", "active");
      expect(await stage.api.getHost("host-b")).not.toHaveProperty("down");
    },
    PATIENCE_MS * 2,
  );

  it(
    "are retired when nothing names them any more, and their agents are refused",
    async () => {
      await stage.api.retireHost("host-b", { owner: "ops" });
      expect(await stage.api.getHost("host-b")).toMatchObject({ state: "retired" });
      await expect(stage.api.retireHost("host-a")).rejects.toMatchObject({
        problem: { code: "host-not-empty", vms: ["vm"] },
      });
      await stage.counts("vm", "host-a");
    },
    PATIENCE_MS,
  );
});
