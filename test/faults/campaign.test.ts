import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { processesUnder } from "../../rig/processes.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { expectKept, runFaults, SLICE_MS } from "./testing/slice.ts";

/** A slice; campaign.slow.test.ts plays more, and `npm run faults -- --runs 1000` any number. */
it(
  "a guest that is moved to and fro on the model under faults keeps every promise: 2 runs of seed 1",
  () => expectKept(1, 2),
  SLICE_MS,
);

it(
  "leaves nothing behind when it is interrupted, twice",
  async () => {
    let folder = "";
    const { code } = await runFaults(["--seed", "1", "--runs", "9"], async (header, child) => {
      folder = / in (\S+)$/.exec(header)?.[1] ?? "";
      // A cloud and an agent, of which others are being started.
      await waitUntil("some parts", () => processesUnder(folder)[1]);
      child.kill("SIGINT");
      child.kill("SIGINT");
    });
    expect(folder).toMatch(/sy-/);
    expect(code).not.toBe(0);
    expect(processesUnder(folder)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  },
  SLICE_MS,
);
