import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { openApiFiles } from "./openapi-files.ts";

const ROOT = resolve(import.meta.dirname, "..");

for (const [path, text] of Object.entries(openApiFiles())) {
  writeFileSync(join(ROOT, path), text);
  console.log(path);
}
