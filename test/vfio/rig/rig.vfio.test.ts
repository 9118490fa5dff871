import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootL1, type L1 } from "../../machine/l1.ts";
import { ensureRig } from "./ensure-rig.ts";
import type { MigrateOnceOptions, MigrateOnceResult } from "./inside/migrate-once-types.ts";
import { createMttyDevice, loadMtty, setMttyKnobs, vfioDeviceOption } from "./mdev.ts";

const LOAD_INIT_MS = 2_000;
const SOURCE = "0e5c2f4e-6f0a-4d7e-9a51-000000000001";
const TARGET = "0e5c2f4e-6f0a-4d7e-9a51-000000000002";

const rig = await ensureRig();

describe.skipIf(rig === undefined)(
  "a guest with a VFIO device whose initial load takes 2 s",
  () => {
    let l1: L1;

    beforeAll(async () => {
      if (rig === undefined) return;
      l1 = await bootL1({ rig });
      console.log(`L1 up after ${Math.round(l1.bootMs)} ms`);
      await loadMtty(l1, "knobs");
      await setMttyKnobs(l1, { loadInitMs: LOAD_INIT_MS });
    });

    afterAll(async () => await l1?.stop());

    it("stops for a tenth of the time when switchover waits for the device's ACK", async () => {
      const without = await migrateOnce(l1, false);
      const withAck = await migrateOnce(l1, true);
      const ratio = downtime(withAck) / downtime(without);
      console.log(JSON.stringify({ ratio, withAck: figures(withAck), without: figures(without) }));

      expect(without.ackAfterMs).toBeUndefined();
      expect(downtime(without)).toBeGreaterThanOrEqual(LOAD_INIT_MS);
      expect(withAck.ackAfterMs).toBeGreaterThanOrEqual(LOAD_INIT_MS);
      expect(withAck.ackAfterMs).toBeLessThan(withAck.stopAfterMs);
      expect(ratio).toBeLessThanOrEqual(0.1);
      expectUnbrokenCount(without);
      expectUnbrokenCount(withAck);
    });
  },
);

async function migrateOnce(l1: L1, switchoverAck: boolean): Promise<MigrateOnceResult> {
  await createMttyDevice(l1, SOURCE);
  await createMttyDevice(l1, TARGET);
  const options: MigrateOnceOptions = {
    folder: `/tmp/migrate-once-${switchoverAck ? "ack" : "plain"}`,
    switchoverAck,
    sourceDevices: [vfioDeviceOption(SOURCE)],
    targetDevices: [vfioDeviceOption(TARGET)],
  };
  const program = "/project/test/vfio/rig/inside/migrate-once.ts";
  const run = await l1.run(["node", program, JSON.stringify(options)], { deadlineMs: 120_000 });
  expect(run.exitCode, run.stderr).toBe(0);
  const result = JSON.parse(run.stdout) as MigrateOnceResult;
  expect(result).toMatchObject({ status: "completed" });
  return result;
}

function downtime(result: MigrateOnceResult): number {
  return result.downtimeMs ?? Number.NaN;
}

function figures({ sourceSerial: _, targetSerial: __, ...rest }: MigrateOnceResult): object {
  return rest;
}

/** The counters in RAM and in the device continue together, without a gap, on the target. */
function expectUnbrokenCount({ sourceSerial, targetSerial }: MigrateOnceResult): void {
  const lines = (sourceSerial + targetSerial).split("\n").slice(0, -1);
  const expected = lines.map((_, index) => `counter=${index + 1} device=${(index + 1) % 65_536}`);
  expect(lines).toEqual(expected);
}
