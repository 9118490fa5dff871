import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "./tools.ts";

it("sst.config.ts and infra/ fit SST's own types", () => {
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const { stdout, status } = spawnSync(tsc, ["-p", join(ROOT, "infra/tsconfig.json")], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
});
