import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import { RunReport } from "./test/run-report.ts";

/** Tests with a command of their own: `npm run test:slow`, `npm run test:vfio`. */
const elsewhere = ["**/*.slow.test.ts", "**/*.vfio.test.ts"];

/**
 * Node keeps what it has compiled, types stripped: the tests start hundreds of agents, control planes
 * and models, which would otherwise compile the same files each time.
 */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules/.cache/node");

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: [...configDefaults.exclude, ".cache/**", ".sst/**", ...elsewhere],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Most tests wait for processes: three at a time keep two cores busy.
    maxWorkers: 3,
    // A test that fails now and then is broken, or shows something that is.
    retry: 0,
    reporters: ["default", new RunReport()],
    coverage: {
      provider: "v8",
      include: ["core", "functions", "agent", "workflows", "qmp", "emulators", "local"].map(
        (folder) => `${folder}/**/*.ts`,
      ),
      exclude: ["**/*.test.ts", "**/testing/**"],
      reporter: ["text", "text-summary", "json-summary"],
      reportsDirectory: "coverage",
    },
  },
});
