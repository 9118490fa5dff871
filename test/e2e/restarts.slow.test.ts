import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Phase } from "../../core/migration/migration.ts";
import { PATIENCE_MS, qemu, Stage, slowly, unlessQemu } from "./testing/stage.ts";

describe.skipIf(qemu === undefined)(`parts that are killed and started again${unlessQemu}`, () => {
  let stage: Stage;
  /** Source and target of the next move. */
  const ends = async () => {
    const { host } = await stage.api.getVm("vm");
    return { source: host, target: host === "host-a" ? "host-b" : "host-a" };
  };

  beforeAll(async () => {
    stage = await Stage.start({ restartable: true });
    await stage.guest("vm");
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  it.each<{ phase: Phase; policy: object }>([
    { phase: "prepare", policy: {} },
    { phase: "precopy", policy: slowly },
    { phase: "await-ack", policy: {} },
  ])(
    "the cloud, in $phase: the migration continues where it was",
    async ({ phase, policy }) => {
      const { target } = await ends();
      const { id } = await stage.api.createMigration({ vm: "vm", target, policy });
      if (phase === "precopy") await stage.isInPrecopy(id);
      else await stage.reaches(id, phase);
      await stage.restartCloud();

      const ended = await stage.ends(id);
      expect(ended.failure).toBeUndefined();
      expect(ended).toMatchObject({ status: "completed", runningOn: target });
      await stage.wentStraight(ended);
      await stage.runsOnlyOn("vm", target);
    },
    PATIENCE_MS * 2,
  );

  it.each(["source", "target"] as const)(
    "the agent of the %s, in precopy: it reattaches to the migration",
    async (side) => {
      const hosts = await ends();
      const { id } = await stage.api.createMigration({
        vm: "vm",
        target: hosts.target,
        policy: slowly,
      });
      await stage.isInPrecopy(id);
      await stage.restartAgent(hosts[side]);

      const ended = await stage.ends(id);
      expect(ended.failure).toBeUndefined();
      expect(ended).toMatchObject({ status: "completed", runningOn: hosts.target });
      await stage.runsOnlyOn("vm", hosts.target);
    },
    PATIENCE_MS * 2,
  );
});
