import { writeFileSync } from "node:fs";
import { CLI_REFERENCE, cliReference } from "./cli-reference.ts";

writeFileSync(new URL(`../${CLI_REFERENCE}`, import.meta.url), cliReference());
console.log(CLI_REFERENCE);
