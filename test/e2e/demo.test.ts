import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findExecutable } from "../../agent/probe/binary.ts";
import type { Summary } from "../../demo/summary.ts";
import { makeShortFolder } from "../../rig/short-folder.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { PATIENCE_MS, qemu, unlessQemu } from "./testing/stage.ts";

const MAIN = resolve(import.meta.dirname, "../../demo/main.ts");

describe("npm run demo", () => {
  /** The demo's temporary folder, in which leftovers are found. Short, for socket paths. */
  let folder: string;
  /** A PATH with what a shell script needs, without QEMU. */
  let tools: string;
  let child: ChildProcess | undefined;

  beforeEach(() => {
    folder = makeShortFolder("e");
    tools = mkdtempSync(join(tmpdir(), "tools-"));
    for (const name of ["dirname", "env", "readlink", "sh"]) {
      symlinkSync(findExecutable(name), join(tools, name));
    }
  });
  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await waitUntil("the demo's end", () => (processesOf(folder).length === 0 ? true : undefined));
    for (const left of [folder, tools]) rmSync(left, { recursive: true, force: true });
  }, PATIENCE_MS);

  function start(args: string[], environment: Record<string, string | undefined> = {}) {
    child = spawn(process.execPath, [MAIN, ...args], {
      // A process group of its own, as in a terminal.
      detached: true,
      env: { ...process.env, TMPDIR: folder, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return child;
  }

  async function endOf(demo: ChildProcess) {
    const [output, errors, code] = await Promise.all([
      demo.stdout ? text(demo.stdout) : "",
      demo.stderr ? text(demo.stderr) : "",
      new Promise<number | null>((done) => demo.once("exit", done)),
    ]);
    return { output, errors, code };
  }

  function expectNothingLeft() {
    expect(readdirSync(folder)).toEqual([]);
    expect(processesOf(folder)).toEqual([]);
  }

  it.skipIf(qemu === undefined)(
    `moves a real guest, prints one JSON object and leaves nothing${unlessQemu}`,
    async () => {
      const { output, errors, code } = await endOf(start(["--json"]));
      expect({ errors, code }).toEqual({ errors: "", code: 0 });
      const summary = lastLine(output);
      expect(summary).toMatchObject({
        qemu: { real: true, source: expect.stringMatching(/^\d+\./), target: expect.any(String) },
        status: "completed",
        ack: { evidence: "trace" },
        runningOn: "host-b",
        guest: { memoryErrors: 0 },
        failure: null,
      });
      expect(summary.guest.counterAfter).toBeGreaterThan(summary.guest.counterBefore);
      for (const figure of [summary.downtimeMs, summary.totalMs, summary.overheadMs]) {
        expect(figure).toBeGreaterThan(0);
      }
      expect(summary.transitions).toBeLessThanOrEqual(20);
      expect(summary.phases.map(({ name }) => name)).toContain("precopy");
      expectNothingLeft();
    },
    PATIENCE_MS,
  );

  it.skipIf(qemu === undefined).each([
    { moment: "Starting the local cloud", whole: false },
    { moment: "precopy", whole: true },
  ])(
    `leaves nothing when it is interrupted at "$moment"${unlessQemu}`,
    async ({ moment, whole }) => {
      const demo = start([]);
      const { pid = 0, stdout } = demo;
      let seen = "";
      stdout?.on("data", (chunk: Buffer) => {
        const before = seen.includes(moment);
        seen += chunk.toString();
        // Ctrl-C in a terminal reaches every process of the group.
        if (!before && seen.includes(moment)) process.kill(whole ? -pid : pid, "SIGINT");
      });
      const { code } = await endOf(demo);
      expect(seen).toContain(moment);
      expect(code).toBe(130);
      expectNothingLeft();
    },
    PATIENCE_MS,
  );

  it.skipIf(qemu !== undefined)(
    "where there is no QEMU (with one: npm run test:slow) runs on the model, and states it first",
    async () => {
      const none = { PATH: tools, SWITCHYARD_QEMU: undefined };
      const { output, errors, code } = await endOf(start(["--json"], none));
      expect({ errors, code }).toEqual({ errors: "", code: 0 });
      expect(output.split("\n")[0]).toContain("MODEL");
      expect(lastLine(output)).toMatchObject({
        qemu: { real: false },
        status: "completed",
        runningOn: "host-b",
      });
      expectNothingLeft();
    },
    PATIENCE_MS,
  );

  it("states in one line what is wrong with its arguments", async () => {
    const { errors, code } = await endOf(start(["--qemu", "/nonexistent/qemu"]));
    expect(code).toBe(1);
    expect(errors).toMatch(/^[^\n]*\/nonexistent\/qemu[^\n]*\n$/);
  });
});

function lastLine(output: string): Summary {
  return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as Summary;
}

/** Processes whose arguments name this folder: those of the cloud, agents and QEMUs do. */
function processesOf(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")}`;
      } catch {
        return "";
      }
    })
    .filter((line) => line.includes(`${folder}/`));
}
