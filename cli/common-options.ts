import { OUTPUT_FORMATS } from "./output/output.ts";
import type { Option } from "./verb.ts";

/** Options that every command has. */
export const commonOptions: readonly Option[] = [
  {
    flags: "-o, --output <format>",
    summary: "how the answer is written (default: table)",
    choices: OUTPUT_FORMATS,
  },
  { flags: "--columns <names>", summary: "columns of a table, separated by commas" },
  { flags: "--sort <column>", summary: "sort a list by a column; - before it reverses" },
  { flags: "--utc", summary: "show times in UTC" },
  { flags: "--profile <name>", summary: "control plane and token to use" },
  { flags: "--url <url>", summary: "control plane, in place of the profile's" },
  { flags: "--token-file <file>", summary: "file with the operator's token; - is stdin" },
  { flags: "-y, --yes", summary: "confirm; what the control plane refuses stays refused" },
  { flags: "-v, --verbose", summary: "say more on stderr" },
];
