import { defineConfig } from "vitest/config";
import { RunReport } from "./test/run-report.ts";
import base from "./vitest.config.ts";

/** `npm run test:slow`: what takes real QEMU minutes, or repeats `npm test` in another way. */
const { projects: _, ...shared } = base.test ?? {};

export default defineConfig({
  test: {
    ...shared,
    include: ["**/*.slow.test.ts"],
    exclude: ["node_modules/**"],
    reporters: ["default", new RunReport(5)],
  },
});
