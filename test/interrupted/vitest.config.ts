import { defineConfig } from "vitest/config";

/** Runs one test that never ends, for interrupted.test.ts. */
export default defineConfig({ test: { include: ["test/interrupted/endless.ts"] } });
