import { defineConfig } from "vitest/config";
import { installTools } from "./test/infra/tools.ts";
import { RunReport } from "./test/run-report.ts";
import base from "./vitest.config.ts";

/** `npm run test:infra`: what the infrastructure comes to, without an AWS account. */
const { projects: _, ...shared } = base.test ?? {};

const missing = installTools();
if (missing !== undefined) console.warn(`test:infra is skipped, SST is not installed: ${missing}`);

export default defineConfig({
  test: {
    ...shared,
    include: missing === undefined ? ["**/*.infra.test.ts"] : [],
    exclude: ["node_modules/**", ".sst/**", ".cache/**"],
    passWithNoTests: missing !== undefined,
    globalSetup: missing === undefined ? ["test/infra/setup.ts"] : [],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    reporters: ["default", new RunReport(2)],
  },
});
