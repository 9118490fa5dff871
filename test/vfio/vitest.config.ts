import path from "node:path";
import { defineConfig } from "vitest/config";

/**
 * Slow tests on a machine that is itself emulated: one file at a time, minutes instead of seconds.
 */
export default defineConfig({
  root: path.resolve(import.meta.dirname, "../.."),
  test: {
    include: ["test/vfio/**/*.vfio.test.ts"],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
