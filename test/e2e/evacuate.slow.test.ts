import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EvacuationSummary } from "../../demo/evacuation-summary.ts";
import { qemu } from "./testing/stage.ts";

const MAIN = resolve(import.meta.dirname, "../../demo/evacuate.ts");
/** In software emulation eight guests boot, run for twelve seconds, and move there and back. */
const PATIENCE_MS = 600_000;

describe("npm run demo:evacuate", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "e"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function run(args: string[]) {
    const demo = spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [output, errors, code] = await Promise.all([
      text(demo.stdout),
      text(demo.stderr),
      new Promise<number | null>((done) => demo.once("exit", done)),
    ]);
    expect({ errors, code }).toEqual({ errors: "", code: 0 });
    const summary = JSON.parse(output.trim().split("\n").at(-1) ?? "") as EvacuationSummary;
    return { output, summary };
  }

  function expectWhole(summary: EvacuationSummary) {
    expect(summary).toMatchObject({ vms: 8, moved: 8, failed: 0, rolledBack: 8 });
    expect(summary.pausedMs).toBeGreaterThanOrEqual(2_000);
    expect(summary.makespanMs).toBeGreaterThan(0);
    expect(summary.lowerBoundMs).toBeGreaterThan(0);
    expect(summary.ratio).toBeCloseTo(summary.makespanMs / summary.lowerBoundMs, 1);
    expect(summary.each).toHaveLength(8);
    for (const { predictedMs, realMs, downtimeMs, runningOn } of summary.each) {
      expect(runningOn).toBe("host-a");
      for (const figure of [predictedMs, realMs]) expect(figure).toBeGreaterThan(0);
      expect(downtimeMs).toBeGreaterThanOrEqual(0);
    }
    expect(readdirSync(folder)).toEqual([]);
  }

  it(
    "empties a host of eight guests, rolls back, leaves nothing, and says whether QEMU is real",
    async () => {
      const { output, summary } = await run(["--json"]);
      expect(summary.qemu).toMatchObject({ real: qemu !== undefined });
      expect(/MODEL of QEMU/.test(output)).toBe(qemu === undefined);
      expectWhole(summary);
    },
    PATIENCE_MS,
  );
});
