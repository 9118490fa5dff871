import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Out of 100: systemd calls up to 20 "OK". */
const EXPOSURE_MAX = 20;
const has = spawnSync("systemd-analyze", ["--version"]).status === 0;
const why = has ? "" : " (skipped: no systemd-analyze)";

describe.skipIf(!has)(`the control plane's unit${why}`, () => {
  let folder: string;
  let unit: string;

  beforeAll(() => {
    folder = ownedFolder("sy-unit-");
    unit = join(folder, "switchyard.service");
    const text = readFileSync(join(ROOT, "ops/systemd/switchyard.service"), "utf8");
    writeFileSync(unit, text.replaceAll("/opt/switchyard", ROOT));
  });
  afterAll(() => removeFolder(folder));

  it("is one that systemd takes without a word", () => {
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("exposes little of the machine", () => {
    const args = ["security", "--offline=yes", `--threshold=${EXPOSURE_MAX}`, "--no-pager", unit];
    const { status, stdout } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
    expect({ status, stdout: status === 0 ? "" : stdout }).toEqual({ status: 0, stdout: "" });
  });
});
