import { execFile, execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { waitForCounter } from "../../rig/guest/serial.ts";
import { PATIENCE_MS, Stage, unlessQemu } from "../e2e/testing/stage.ts";
import { canCopy } from "./testing/copy-pair.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(ROOT, "docs/operate/copy-disks.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]+?)\`\`\``, "g"))].map(
    ([, text = ""]) => text,
  );
const scripts = blocks("sh").map((script) => [script.trim().split("\n").at(-1) ?? "", script]);
const run = promisify(execFile);
const LOAD = { dirtyBytesPerSecond: 1 << 20, workingSetBytes: 4 << 20 };

describe.skipIf(!canCopy)(`the page about copied disks${unlessQemu}`, () => {
  let stage: Stage;
  const images = (host: string) => join(stage.fleet.folder, `${host}-images`);

  beforeAll(async () => {
    stage = await Stage.start({ imagesFolder: "disks", startMs: PATIENCE_MS });
    const boot = join(stage.fleet.folder, "boot.img");
    await writeBootDisk(boot, LOAD);
    const given = JSON.parse(blocks("json")[1] ?? "") as { blockdevs: object[]; devices: object[] };
    const { blockdevs, devices } = bootDiskDefinition(boot);
    const definition = VmDefinition.parse({
      ...given,
      blockdevs: [...blockdevs, ...given.blockdevs],
      devices: [...devices, ...given.devices],
    });
    execFileSync("qemu-img", [
      "create",
      "-q",
      "-f",
      "qcow2",
      join(images("host-a"), "web.qcow2"),
      "8M",
    ]);
    await stage.fleet.startVm("web", "host-a", definition);
    const serial = stage.fleet.serialLog("host-a", "web");
    await waitForCounter(serial, ({ counter }) => counter > 20, { timeoutMs: PATIENCE_MS });
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  it.each(scripts)(
    "%s",
    async (_, script) => {
      const token = readFileSync(join(stage.fleet.folder, "cloud", "operator-token"), "utf8");
      const bin = join(stage.fleet.folder, "bin");
      mkdirSync(bin, { recursive: true });
      const command = join(bin, "switchyard");
      const main = join(ROOT, "cli/main.ts");
      writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
      chmodSync(command, 0o755);
      const env = {
        ...process.env,
        PATH: `${bin}:${process.env.PATH}`,
        IMAGES_A: images("host-a"),
        SWITCHYARD_URL: stage.api.url,
        SWITCHYARD_TOKEN: token.trim(),
      };
      const { stdout } = await run("sh", ["-e", "-c", script], { env });
      if (script.includes("-o wide")) expect(stdout).toMatch(/storage data +copy/);
      if (script.includes("evacuation plan")) expect(stdout).toMatch(/goes to +host-b 1/);
    },
    PATIENCE_MS,
  );

  it("ends with the guest at home, and every image named and kept", async () => {
    await stage.runsOnlyOn("web", "host-a");
    expect(readdirSync(images("host-a")).sort()).toEqual(["web.qcow2", "web.qcow2.old"]);
    expect(readdirSync(images("host-b"))).toEqual(["web.qcow2"]);
    const { items } = await stage.api.listMigrations({ vm: "web" });
    const [last] = await Promise.all(items.map(({ id }) => stage.api.getMigration(id)));
    expect(last?.agreement?.copies).toMatchObject([{ disk: "data", format: "qcow2" }]);
    expect(last?.twinCheck?.storage?.files).toContainEqual({
      name: expect.stringContaining("web.qcow2"),
      proof: "copied",
    });
    expect(last?.progress?.diskTotalBytes).toBeGreaterThanOrEqual(8 << 20);
    expect(last?.prediction).toMatchObject({ diskBytes: 8 << 20 });
  });
});
