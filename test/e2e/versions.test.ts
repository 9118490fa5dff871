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
  });
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
