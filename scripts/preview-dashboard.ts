import { dirname } from "node:path";
import { preview } from "vite";
import { bundleDashboard } from "./dashboard-bundle.ts";

const PORT = 8430;

const outDir = await bundleDashboard("preview");
const server = await preview({
  root: dirname(outDir),
  configFile: false,
  logLevel: "warn",
  build: { outDir },
  preview: { host: "127.0.0.1", port: PORT },
});
console.log(`Recorded answers, no control plane: ${server.resolvedUrls?.local[0]}`);
console.log("Press Ctrl-C to stop.");
