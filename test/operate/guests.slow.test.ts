import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { PATIENCE_MS, qemu, Stage, unlessQemu } from "../e2e/testing/stage.ts";
import { blocksOf, commandsOf, pageText } from "./testing/page-commands.ts";
import { runPage } from "./testing/run-page.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const MIB = 2 ** 20;

describe.skipIf(qemu === undefined)(`pages about guests on QEMU${unlessQemu}`, () => {
  let stage: Stage;
  let folder: string;

  beforeAll(async () => {
    stage = await Stage.start();
    folder = join(stage.fleet.folder, "operator");
    mkdirSync(folder);
    const command = join(folder, "switchyard");
    writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(command, 0o755);
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  function run(command: string, more: Record<string, string> = {}) {
    const token = readFileSync(join(stage.fleet.folder, "cloud/operator-token"), "utf8").trim();
    const { url } = stage.api;
    const named = { API: url, TOKEN: token, SWITCHYARD_URL: url, SWITCHYARD_TOKEN: token };
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, ...named, ...more };
    return new Promise<{ stdout: string; stderr: string; exit: number }>((resolve) => {
      execFile("/bin/sh", ["-c", command], { env, cwd: folder }, (error, stdout, stderr) => {
        const exit = error === null ? 0 : typeof error.code === "number" ? error.code : 255;
        resolve({ stdout, stderr, exit });
      });
    });
  }

  it(
    "devices: a medium is inserted and ejected, a device plugged in",
    async () => {
      const [disc = "", nic = ""] = blocksOf("devices.md", "json");
      writeFileSync(join(folder, "disc-2.iso"), Buffer.alloc(MIB));
      writeFileSync(join(folder, "disc-2.json"), disc.replace("/srv/iso", folder));
      // Taps need rights on the host: the network is QEMU's own here.
      const { device } = JSON.parse(nic);
      const netdevs = [{ type: "user", id: "net1" }];
      writeFileSync(join(folder, "nic1.json"), JSON.stringify({ device, netdevs }));
      const { devices, ...rest } = await stage.definition();
      const drive = { driver: "ide-cd", id: "cd0", bus: "ide.1" };
      const definition = VmDefinition.parse({ ...rest, devices: [...devices, drive] });
      await stage.fleet.startVm("web", "host-a", definition);
      const shown = async () => (await stage.api.getVm("web")).definition;
      await runPage("devices.md", {
        run,
        after: async (command) => {
          const { blockdevs, devices: now } = await shown();
          const nodes = blockdevs.map((node) => node["node-name"]);
          if (command.includes(" insert ")) expect(nodes).toContain("disc-2");
          if (command.includes(" eject ")) expect(nodes).not.toContain("disc-2");
          if (command.includes("plug")) expect(now.map(({ id }) => id)).toContain("nic1");
        },
      });
    },
    2 * PATIENCE_MS,
  );

  it(
    "states: the three failures end as the page records them",
    async () => {
      const text = pageText("states.md");
      const actions = [...text.matchAll(/^`((?:kill|curl) .*)`$/gm)].map(([, one = ""]) => one);
      const records = blocksOf("states.md", "json").map((block) => JSON.parse(block));
      expect([actions.length, records.length]).toEqual([3, 3]);
      expect(commandsOf("states.md")).toHaveLength(1);
      await stage.guest("demo", "host-b");
      for (const [place, action] of actions.entries()) {
        await runPage("states.md", { run });
        const [{ id = "" } = {}] = (await stage.api.listMigrations({ vm: "demo" })).items;
        await stage.isInPrecopy(id);
        const acted = await run(action, { ID: id, F: stage.fleet.folder });
        expect({ action, exit: acted.exit }).toEqual({ action, exit: 0 });
        const ended = await stage.ends(id);
        const { failure, cancelRequestedAt: _, ...record } = records[place];
        expect(ended).toMatchObject(record);
        expect("runningOn" in ended).toBe("runningOn" in record);
        // QEMU's words differ with its version and the moment.
        const { message: __, ...same } = failure;
        expect(ended.failure).toMatchObject(same);
      }
      expect(await stage.api.getVm("demo")).toMatchObject({ state: "failed" });
    },
    4 * PATIENCE_MS,
  );
});
