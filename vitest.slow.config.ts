import { defineConfig } from "vitest/config";
import { RunReport } from "./test/run-report.ts";
import base from "./vitest.config.ts";

/** `npm run test:slow`: what takes real QEMU minutes. The model shows the same in `npm test`. */
const shared = { ...base.test, exclude: ["node_modules/**"] };

export default defineConfig({
  test: { ...shared, include: ["**/*.slow.test.ts"], reporters: ["default", new RunReport(3)] },
});
