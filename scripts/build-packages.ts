import { mkdirSync, statSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { packageAgent } from "./package-agent.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = fileURLToPath(new URL("../dist/packages", import.meta.url));
const MB = 1e6;

mkdirSync(folder, { recursive: true });
for (const file of Object.values(await packageAgent(folder))) {
  console.log(`${relative(root, file)}  ${(statSync(file).size / MB).toFixed(1)} MB`);
}
