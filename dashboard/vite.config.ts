import { join } from "node:path";
import { defineConfig } from "vite";

/** `--mode preview`: the same pages over recorded answers, in a folder of its own. */
export default defineConfig(({ mode }) => ({
  root: import.meta.dirname,
  // Any folder of any server may hold the files.
  base: "./",
  logLevel: "warn",
  build: {
    outDir: join(import.meta.dirname, "../dist", mode === "preview" ? "preview" : "dashboard"),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
  },
}));
