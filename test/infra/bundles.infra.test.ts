import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FunctionName, functionDescriptions } from "../../deployment/functions.ts";
import { bundle } from "./bundle.ts";
import { type Reach, reachOf } from "./calls.ts";

const MIB = 2 ** 20;
/** The whole of a bundle, SDK included, and what is ours. */
const BYTES_MAX = 1.5 * MIB;
const OWN_BYTES_MAX = 1_000_000;
/** The modules that query the index. */
const listsByIndex = [
  "functions/store/page.ts",
  "functions/store/fleet.ts",
  "functions/store/deliveries.ts",
];
const names = Object.keys(functionDescriptions) as FunctionName[];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sy-bundles-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(names)("the bundle of %s", (name) => {
  const { handler, rights } = functionDescriptions[name];
  let reach: Reach;
  beforeAll(async () => {
    reach = await reachOf(handler);
  });

  it("starts in a folder that holds nothing else, and exports the handler", async () => {
    const { file, bytes } = await bundle(handler, join(folder, name));
    expect(bytes).toBeLessThan(BYTES_MAX);
    const script = `import(${JSON.stringify(file)}).then((made) => console.log(typeof made.handler))`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["-e", script], {
      cwd: join(folder, name),
      env: { PATH: process.env.PATH },
    });
    expect({ stdout, stderr }).toEqual({ stdout: "function\n", stderr: "" });
  });

  it("is small without the AWS SDK", async () => {
    const { bytes } = await bundle(handler, join(folder, `${name}-small`), { withoutSdk: true });
    expect(bytes).toBeLessThan(OWN_BYTES_MAX);
  });

  it("makes the calls that its role allows, and no others", () => {
    const granted = rights
      .filter(({ on }) => on !== "table index")
      .flatMap(({ actions }) => actions);
    expect([...new Set(granted)].toSorted()).toEqual(reach.actions);
  });

  it("lists by the index if its role may query it", () => {
    const mayQuery = rights.some(({ on }) => on === "table index");
    expect(listsByIndex.some((module) => reach.modules.includes(module))).toBe(mayQuery);
  });
});
