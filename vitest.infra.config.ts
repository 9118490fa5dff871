import { defineConfig } from "vitest/config";
import { RunReport } from "./test/run-report.ts";
import base from "./vitest.config.ts";

/** `npm run test:infra`: what the infrastructure comes to, without an AWS account. */
export default defineConfig({
  test: {
    ...base.test,
    include: ["**/*.infra.test.ts"],
    exclude: ["node_modules/**", ".sst/**", ".cache/**"],
    globalSetup: ["test/infra/setup.ts"],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    reporters: ["default", new RunReport(2)],
  },
});
