import { commonOptions } from "../cli/common-options.ts";
import { markdownOf } from "../cli/nouns/docs.ts";
import { nouns } from "../cli/nouns.ts";

export const CLI_REFERENCE = "docs/reference/cli.md";

const HEAD = `# Commands

Every command of \`switchyard\`, as \`switchyard docs\` lists them; \`--help\` of each says more.
\`npm run docs:cli\` writes this page. [Exit codes](exit-codes.md) are a contract;
[the command line](../operate/cli.md) shows the everyday commands with their output.`;

/** The page of all commands. */
export function cliReference(): string {
  const common = commonOptions.map(({ flags, summary }) => `| \`${flags}\` | ${summary} |`);
  const table = ["## Options of every command", "", "| option | |", "|---|---|", ...common];
  return `${[HEAD, markdownOf(nouns), table.join("\n")].join("\n\n")}\n`;
}
