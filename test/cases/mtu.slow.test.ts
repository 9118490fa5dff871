import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { endlessly, PATIENCE_MS, qemu, Stage, unlessQemu } from "../e2e/testing/stage.ts";
import { fleetIn } from "../network/fleet-in.ts";
import { SharedLoopback } from "../network/loopback.ts";
import { Network } from "../network/namespaces.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 180_000 });

const HOSTS = ["host-a", "host-b"] as const;
const SMALL = 1_000;
const WHOLE = 1_500;
/** Of a guest that stands still through no fault of its own. */
const STANDSTILL_MS = 30_000;
/** What is left after a pass is more than a packet. */
const MIB = 2 ** 20;
const load = { dirtyBytesPerSecond: 16 * MIB, workingSetBytes: 16 * MIB };
const stall = { convergence: { stall: { silenceMs: 5_000 } } };

const hasNetworks = canCreateNetwork();
const unlessNetworks = hasNetworks ? "" : " (skipped: no network namespaces)";

describe.skipIf(qemu === undefined || !hasNetworks)(
  `packets over an MTU are dropped${unlessQemu}${unlessNetworks}`,
  () => {
    const folder = ownedFolder();
    const loopback = new SharedLoopback(folder);
    const stopped = join(folder, "stopped");
    const hold = join(folder, "hold");
    let network: Network | undefined;
    let stage: Stage;

    beforeAll(async () => {
      network = Network.create(HOSTS);
      // Stops the guest for as long as the file is there.
      const wait = `touch ${stopped}; while [ -e ${hold} ]; do sleep 0.05; done`;
      const preSwitchover = { command: ["/bin/sh", "-c", wait], timeoutMs: 30_000 };
      stage = await Stage.start({
        ...(await fleetIn(network, loopback)),
        folder: join(folder, "f"),
        agent: { hooks: { preSwitchover } },
      });
      await stage.guest("vm", "host-a", "pc", 48, load);
    });
    afterAll(async () => {
      await stage?.close();
      await loopback.close();
      network?.remove();
      removeFolder(folder);
    });

    afterEach(() => drop(false));

    const drop = (isDropping: boolean) => network?.setMtu("host-b", isDropping ? SMALL : WHOLE);

    /** The guest runs at the source, soon; and moves when the path is whole, there and back. */
    async function isGivenUp(id: string, code = "stream-silent"): Promise<void> {
      const ended = await stage.ends(id);
      expect(ended).toMatchObject({ status: "failed", failure: { code } });
      expect(ended.failure?.message).toMatch(/MTU/);
      expect(ended.blackoutMs ?? 0).toBeLessThan(STANDSTILL_MS);
      await stage.runsOnlyOn("vm", "host-a");
      drop(false);
      await stage.move("vm", "host-b");
      await stage.move("vm", "host-a");
    }

    describe.each(["off", "psk"] as const)("with TLS %s", (tls) => {
      it("from the beginning", async () => {
        drop(true);
        const policy = { ...stall, tls };
        const { id } = await stage.api.createMigration({ vm: "vm", target: "host-b", policy });
        // What the agents read of both QEMUs does not arrive either.
        await isGivenUp(id, "command-failed");
      });

      it("in the middle of precopy", async () => {
        const policy = { ...endlessly, ...stall, tls };
        const { id } = await stage.api.createMigration({ vm: "vm", target: "host-b", policy });
        await stage.isInPrecopy(id);
        drop(true);
        await isGivenUp(id);
      });

      it("while the guest is stopped", async () => {
        rmSync(stopped, { force: true });
        writeFileSync(hold, "");
        const capabilities = { "pause-before-switchover": "require" } as const;
        const policy = { capabilities, downtimeLimitMs: 20_000, ...stall, tls };
        const { id } = await stage.api.createMigration({ vm: "vm", target: "host-b", policy });
        await waitUntil("the hook", () => existsSync(stopped) || undefined, {
          timeoutMs: PATIENCE_MS,
        });
        drop(true);
        rmSync(hold);
        await isGivenUp(id);
      });
    });
  },
);

/** The network itself is made by `beforeAll`: nothing is left where all tests are filtered out. */
function canCreateNetwork(): boolean {
  try {
    Network.create(HOSTS).remove();
    return true;
  } catch {
    return false;
  }
}
