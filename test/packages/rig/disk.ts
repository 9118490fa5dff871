import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { runCommand } from "../../machine/command.ts";
import { ROOT } from "../../machine/debian-packages.ts";
import type { Stage } from "../../machine/stage.ts";

export const DISK = "disk.img";

const INSIDE = path.join(import.meta.dirname, "inside");
const CONTROL = path.join(import.meta.dirname, "../../machine/inside/control.ts");
const SIZE = "1536M";
const DEADLINE_MS = 120_000;
const NODE = "/project/node_modules/node/bin/node";
/** Not a new machine at each boot: that would let systemd set up what comes with its packages. */
const MACHINE_ID = "5c1d8e0f3b6a4c529d7e1f0a2b3c4d5e\n";
/** What nobody uses here, and what takes time in emulation. */
const MASKED = [
  "getty.target",
  "systemd-journal-catalog-update.service",
  "systemd-update-done.service",
];

/** The machine's disk: the Debian, and a service that takes requests (test/machine/protocol.ts). */
export async function diskStage(cacheDir: string, debianKey: string): Promise<Stage> {
  const service = path.join(INSIDE, "control.service");
  const control = await readFile(CONTROL, "utf8");
  const own = await readFile(import.meta.filename);
  return {
    name: "disk",
    inputs: [debianKey, control, await readFile(service), own],
    outputs: [DISK],
    build: async () => {
      const root = path.join(cacheDir, ROOT);
      const units = path.join(root, "etc/systemd/system");
      await mkdir(path.join(root, "project"), { recursive: true });
      await mkdir(path.join(units, "multi-user.target.wants"), { recursive: true });
      await copyFile(service, path.join(units, "control.service"));
      await link("../control.service", path.join(units, "multi-user.target.wants/control.service"));
      for (const unit of MASKED) await link("/dev/null", path.join(units, unit));
      await link(NODE, path.join(root, "usr/local/bin/node"));
      await writeFile(path.join(root, "control.mjs"), stripTypeScriptTypes(control));
      await writeFile(path.join(root, "etc/machine-id"), MACHINE_ID);
      const apt = path.join(root, "etc/apt/apt.conf.d/unattended");
      await writeFile(apt, 'APT::Get::Assume-Yes "true";\n');
      await writeFile(path.join(root, "etc/hosts"), "127.0.0.1 localhost machine\n");
      const file = path.join(cacheDir, `${DISK}.new`);
      await rm(file, { force: true });
      const format = ["-q", "-t", "ext4", "-O", "^has_journal", "-d", root, file, SIZE];
      await runCommand("mke2fs", format, { deadlineMs: DEADLINE_MS });
      await rename(file, path.join(cacheDir, DISK));
    },
  };
}

async function link(target: string, file: string): Promise<void> {
  await rm(file, { force: true });
  await symlink(target, file);
}
