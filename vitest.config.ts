import { defineConfig } from "vitest/config";
import { Count } from "./test/count.ts";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**", ".cache/**", ".sst/**", "test/vfio/**/*.vfio.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    reporters: ["default", new Count()],
    // CI machines are shared: a test on real QEMU gets another chance there, never on a desk.
    retry: process.env.CI ? 2 : 0,
  },
});
