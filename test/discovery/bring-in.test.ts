import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isFinal } from "../../core/migration/migration.ts";
import { killProcessesUnder } from "../../rig/processes.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { PATIENCE_MS, qemu, Stage, unlessQemu } from "../e2e/testing/stage.ts";

const PAGE = fileURLToPath(new URL("../../docs/operate/bring-in.md", import.meta.url));
const run = promisify(execFile);

/** Each `sh` block with the heading above it. */
const blocks = [...readFileSync(PAGE, "utf8").matchAll(/^#+ (.+)|```sh\n([\s\S]+?)```/gm)].reduce<{
  heading: string;
  scripts: { heading: string; script: string }[];
}>(
  ({ heading, scripts }, [, title, script]) =>
    script === undefined
      ? { heading: title ?? "", scripts }
      : { heading, scripts: [...scripts, { heading, script }] },
  { heading: "", scripts: [] },
).scripts;

describe.skipIf(qemu === undefined)(`the page about bringing in guests${unlessQemu}`, () => {
  let stage: Stage;
  const folder = mkdtempSync(join(tmpdir(), "sy-in-"));
  let token: string;

  beforeAll(async () => {
    stage = await Stage.start();
    token = readFileSync(join(stage.fleet.folder, "cloud", "operator-token"), "utf8").trim();
    writeFileSync(join(folder, "disk.raw"), Buffer.alloc(2 ** 20));
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.close();
    // The agent ends no QEMU that it has not started: that of the script. Others have its name, too.
    killProcessesUnder(folder);
    rmSync(folder, { recursive: true, force: true });
  });

  it("has a block of each step", () => {
    expect(blocks.map(({ heading }) => heading)).toEqual([
      "A guest of a shell script",
      "Find it",
      "Ask for its definition",
      "Adopt it",
      "Adopt it",
      "From a command line",
    ]);
  });

  it.each(blocks)(
    "$heading",
    async ({ script }) => {
      const text = script.replaceAll("/srv/guests", folder);
      const { url: API } = stage.api;
      const env = { ...process.env, API, TOKEN: token };
      const { stdout } = await run("sh", ["-e", "-c", text], { cwd: folder, env });
      if (text.includes("discover.json")) expect(JSON.parse(stdout).differences).toEqual([]);
      if (text.includes("/v1/migrations")) await arrives(stdout.trim().split("\n").at(-1) ?? "");
    },
    PATIENCE_MS,
  );

  /** The guest of the script has moved to the other host. */
  async function arrives(id: string): Promise<void> {
    const migration = await waitUntil("the end of the migration", async () => {
      const found = await stage.api.getMigration(id);
      return isFinal(found.status) ? found : undefined;
    });
    expect(migration).toMatchObject({ status: "completed", runningOn: "host-b" });
  }
});
