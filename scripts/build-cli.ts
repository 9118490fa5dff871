import { fileURLToPath } from "node:url";
import { bundleCli } from "./cli-bundle.ts";

const FILE = "dist/switchyard.js";

await bundleCli(fileURLToPath(new URL(`../${FILE}`, import.meta.url)));
console.log(FILE);
