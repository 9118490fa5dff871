import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import { kindsElsewhere } from "./test/kinds-elsewhere.ts";
import { RunReport } from "./test/run-report.ts";

const elsewhere = kindsElsewhere.map((kind) => `**/*.${kind}.test.ts`);

const exclude = [...configDefaults.exclude, ".cache/**", ".sst/**", ...elsewhere];

/** Folders whose tests change nothing in their process for good: they share workers. */
const SHARED = [
  "agent",
  "bench",
  "cli",
  "core",
  "cost",
  "dashboard",
  "deployment",
  "qmp",
  "rig",
  "test/agent",
  "test/cases",
  "test/cli",
  "test/conformance",
  "test/copy",
  "test/definition",
  "test/discovery",
  "test/e2e",
  "test/guests",
  "test/machine",
  "test/steady",
  "test/vfio",
  "workflows",
];

/**
 * Folders whose tests share workers, but not the project's modules: these keep clients and the
 * configuration of a control plane, and each file starts one of its own.
 */
const RESET = [
  "emulators",
  "functions",
  "local",
  "test/cost",
  "test/evacuation",
  "test/functions",
  "test/schedule",
  "test/security",
  "test/webhooks",
  "test/workflow",
];

const testsIn = (folders: readonly string[]) => folders.map((each) => `${each}/**/*.test.ts`);

/**
 * Node keeps what it has compiled, types stripped: the tests start hundreds of agents, control planes
 * and models, which would otherwise compile the same files each time.
 */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules/.cache/node");

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: "shared", include: testsIn(SHARED), isolate: false } },
      {
        extends: true,
        test: {
          name: "reset",
          include: testsIn(RESET),
          isolate: false,
          setupFiles: ["test/fresh-file.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "isolated",
          include: ["**/*.test.ts"],
          exclude: [...exclude, ...testsIn([...SHARED, ...RESET])],
        },
      },
    ],
    exclude,
    // They end a test that hangs, on a busy machine too; they measure nothing.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Most tests wait for processes: five at a time keep two cores busy.
    maxWorkers: 5,
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
