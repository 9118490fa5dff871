import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { PATIENCE_MS, qemu, Stage, unlessQemu } from "./testing/stage.ts";

const others = [
  { version: "7.2", path: process.env.SWITCHYARD_QEMU_7_2, machine: "pc-i440fx-7.2", ack: "none" },
  {
    version: "11.1",
    path: process.env.SWITCHYARD_QEMU_11_1,
    machine: "pc-i440fx-10.0",
    ack: "legacy",
  },
];

for (const { version, path, machine, ack } of others) {
  const here = qemu !== undefined && path !== undefined;
  const why = path === undefined ? ` (skipped: no QEMU ${version} at hand)` : unlessQemu;

  describe.skipIf(!here)(`QEMU ${version} and the installed one${why}`, () => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.start({ hosts: { "host-a": qemu ?? "", "host-b": path ?? "" } });
      await stage.guest("vm", "host-a", machine);
    }, PATIENCE_MS);
    afterAll(() => stage?.close(), PATIENCE_MS);

    it.each(["host-b", "host-a"])(
      "move a guest of a common machine type to %s",
      async (target) => {
        const ended = await stage.move("vm", target);
        expect(ended.agreement).toMatchObject({ machineType: machine, ackMode: ack });
        expectAck(ended, ack);
        await stage.runsOnlyOn("vm", target);
      },
      PATIENCE_MS,
    );

    it(
      "refuse a guest whose CPU the other cannot give, by the feature's name, before it is started",
      async () => {
        const [rich = "", poor = ""] = await hostsByFeatures(stage);
        const feature = await featureOf(stage, rich, poor);
        const definition = await stage.definition(machine);
        const cpuModel = `qemu64,+${feature}`;
        await stage.fleet.startVm("cpu", rich, { ...definition, cpuModel });
        const { id } = await stage.api.createMigration({ vm: "cpu", target: poor });
        const ended = await stage.ends(id);
        expect(ended).toMatchObject({ status: "failed", runningOn: rich });
        expect(ended.failure?.message).toMatch(
          new RegExp(`target.cpuModels: .*lacks: (.*, )?${feature}`),
        );
        expect(ended.startedAtMs).toBeUndefined();
        await stage.runsOnlyOn("cpu", rich);
        await stage.counts("cpu", rich);
      },
      PATIENCE_MS,
    );
  });
}

async function featuresOf(stage: Stage, host: string): Promise<string[]> {
  const { facts } = await stage.api.getHost(host);
  return facts?.cpuModels?.tcg?.features ?? [];
}

/** TCG of a newer QEMU gives more CPU features. */
async function hostsByFeatures(stage: Stage): Promise<string[]> {
  const hosts = ["host-a", "host-b"];
  const counts = await Promise.all(
    hosts.map(async (host) => (await featuresOf(stage, host)).length),
  );
  return (counts[0] ?? 0) > (counts[1] ?? 0) ? hosts : hosts.toReversed();
}

/** One that QEMU gives on one host and not on the other. */
async function featureOf(stage: Stage, rich: string, poor: string): Promise<string> {
  const there = new Set(await featuresOf(stage, poor));
  const [feature] = (await featuresOf(stage, rich)).filter((one) => !there.has(one));
  if (feature === undefined)
    throw new Error(`Expected ${rich} to have CPU features that ${poor} lacks`);
  return feature;
}

function expectAck({ ack, agreement }: Migration, mode: string): void {
  if (mode === "none") {
    const choice = agreement?.choices.find(({ subject }) => subject === "switchover-ack");
    expect(choice).toMatchObject({ value: false, reason: expect.stringContaining("7.2") });
    expect(ack).toMatchObject({ mode: "none" });
    return;
  }
  expect(ack).toMatchObject({ mode, evidence: "trace" });
}
