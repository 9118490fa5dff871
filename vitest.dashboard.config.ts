import { defineConfig } from "vitest/config";
import { findChromium } from "./test/dashboard/testing/chromium.ts";
import { RunReport } from "./test/run-report.ts";
import base from "./vitest.config.ts";

/** `npm run test:dashboard`: the dashboard in a browser, against the local control plane. */
const { projects: _, ...shared } = base.test ?? {};

const chromium = findChromium();
if (chromium === undefined) {
  console.warn(
    "test:dashboard is skipped: no Chromium (apt-get install chromium-headless-shell, or " +
      "SWITCHYARD_CHROMIUM=path)",
  );
}

export default defineConfig({
  test: {
    ...shared,
    include: chromium === undefined ? [] : ["test/dashboard/**/*.browser.test.ts"],
    exclude: ["node_modules/**"],
    passWithNoTests: chromium === undefined,
    globalSetup: chromium === undefined ? [] : ["test/dashboard/setup.ts"],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
    reporters: ["default", new RunReport(2)],
  },
});
