import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isFinal } from "../../core/migration/migration.ts";
import { VmDefinition } from "../../core/vm.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { PATIENCE_MS, qemu, Stage, unlessQemu } from "../e2e/testing/stage.ts";

const definition = VmDefinition.parse({ machine: "pc", memoryBytes: 64 * 2 ** 20 });

describe.skipIf(qemu === undefined)(`the life of a guest beside moves${unlessQemu}`, () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
    await stage.api.createVm({ id: "web", host: "host-a", definition });
    await reaches("running");
  }, PATIENCE_MS);
  afterAll(() => stage.close());

  const reaches = (state: string) =>
    waitUntil(`state ${state}`, async () => {
      const vm = await stage.api.getVm("web");
      return vm.state === state ? vm : undefined;
    });

  it(
    "a guest that was paused by the API moves paused, and is resumed on the other host",
    async () => {
      expect(await stage.api.pauseVm("web")).toMatchObject({ state: "paused" });
      const { id } = await stage.api.createMigration({ vm: "web", target: "host-b" });
      await waitUntil("the end of the migration", async () =>
        isFinal((await stage.api.getMigration(id)).status) ? true : undefined,
      );
      expect(await stage.api.getVm("web")).toMatchObject({ state: "paused", host: "host-b" });
      expect(await stage.api.resumeVm("web")).toMatchObject({ state: "running" });
    },
    PATIENCE_MS,
  );

  it(
    "a guest is given back, and found and adopted again by what its host finds",
    async () => {
      const before = await stage.api.getVm("web");
      await stage.api.deleteVm("web", { mode: "detach" });
      await expect(stage.api.getVm("web")).rejects.toThrow("There is no VM web");
      const { items } = await stage.api.listGuests("host-b");
      // Other tests run guests of this name on the same machine.
      const own = items
        .filter(({ name, owner }) => name === "web" && owner === "shell")
        .flatMap(({ monitors }) => monitors)
        .filter(({ path }) => path.startsWith(stage.fleet.folder));
      const qmpPath = own.find(({ state }) => state === "free")?.path ?? "";
      const wanted = { id: "web", host: "host-b", adopt: { qmpPath } };
      const { definition: proposed, digest } = await stage.api.discoverVm(wanted);
      expect(proposed).toMatchObject({ memoryBytes: before.definition.memoryBytes });
      const confirmed = VmDefinition.parse(proposed);
      await stage.api.createVm({ ...wanted, definition: confirmed, adopt: { qmpPath, digest } });
      await reaches("running");
      await stage.api.deleteVm("web", { mode: "quit" });
      await reaches("stopped");
    },
    PATIENCE_MS,
  );
});
