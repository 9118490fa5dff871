import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { RunReport } from "./test/run-report.ts";
import { environmentWithoutQemu } from "./test/without-qemu.ts";
import base from "./vitest.config.ts";

/** `npm run test:slow`: what takes real QEMU minutes, or repeats `npm test` in another way. */
const { projects: _, ...shared } = base.test ?? {};

/** Tests of `npm test` that run on real QEMU or on the model, as on a machine without QEMU. */
const onTheModel = {
  name: "model",
  include: [
    "test/agent/*.test.ts",
    "test/e2e/demo.test.ts",
    "test/e2e/evacuate.slow.test.ts",
    "test/e2e/tls.test.ts",
  ],
  env: environmentWithoutQemu(join(import.meta.dirname, "node_modules/.cache/without-qemu")),
};

export default defineConfig({
  test: {
    ...shared,
    exclude: ["node_modules/**"],
    projects: [
      { extends: true, test: { name: "slow", include: ["**/*.slow.test.ts"] } },
      { extends: true, test: onTheModel },
    ],
    reporters: ["default", new RunReport(12)],
  },
});
