import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runStage, type Stage, stageKey } from "./stage.ts";

describe("runStage", () => {
  let cacheDir: string;
  let builds: number;

  beforeEach(async () => {
    cacheDir = await mkdtemp(path.join(os.tmpdir(), "switchyard-stage-"));
    builds = 0;
  });
  afterEach(async () => await rm(cacheDir, { recursive: true, force: true }));

  function stage(inputs: string[]): Stage {
    return {
      name: "thing",
      inputs,
      outputs: ["thing.bin"],
      build: async () => {
        builds += 1;
        await writeFile(path.join(cacheDir, "thing.bin"), inputs.join());
      },
    };
  }
  const run = async (it: Stage) => await runStage({ cacheDir, onProgress: () => {} }, it);

  it("builds once for the same inputs", async () => {
    expect(await run(stage(["a"]))).toBe(await run(stage(["a"])));
    expect(builds).toBe(1);
  });

  it("builds again when an input changes", async () => {
    expect(await run(stage(["a"]))).not.toBe(await run(stage(["b"])));
    expect(builds).toBe(2);
  });

  it("builds again when an output is missing", async () => {
    await run(stage(["a"]));
    await rm(path.join(cacheDir, "thing.bin"));
    await run(stage(["a"]));
    expect(builds).toBe(2);
  });

  it("builds again after a build that failed halfway", async () => {
    await run(stage(["a"]));
    const failing = { ...stage(["b"]), build: () => Promise.reject(new Error("no space")) };
    await expect(run(failing)).rejects.toThrow("no space");
    await run(stage(["a"]));
    expect(builds).toBe(2);
  });

  it("refuses a build without its output", async () => {
    const idle = { ...stage(["a"]), build: async () => {} };
    await expect(run(idle)).rejects.toThrow("Failed to build thing: no thing.bin");
  });
});

describe("stageKey", () => {
  it("distinguishes lists whose texts join to the same", () => {
    expect(stageKey({ name: "x", inputs: ["ab", "c"] })).not.toBe(
      stageKey({ name: "x", inputs: ["a", "bc"] }),
    );
  });
});
