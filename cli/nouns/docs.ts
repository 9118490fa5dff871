import { calledVerbs } from "../command-words.ts";
import { manOf } from "../man-page.ts";
import type { Noun, Verb } from "../verb.ts";

const FORMATS = ["text", "json", "markdown", "man"] as const;

/** The whole tree of commands, for people and programs. */
export function docsVerb(nouns: () => readonly Noun[]): Verb {
  return {
    name: "docs",
    summary: "Print every command",
    operations: [],
    options: [
      {
        flags: "--format <format>",
        summary: "text (default), json, markdown or man",
        choices: FORMATS,
      },
    ],
    run: async ({ output }, input) => {
      const format = input.text("format") ?? "text";
      if (format === "json") output.json(treeOf(nouns()));
      else if (format === "markdown") output.text(markdownOf(nouns()));
      else if (format === "man") output.text(manOf(nouns()));
      else {
        const called = calledVerbs(nouns());
        const width = Math.max(...called.map(({ words }) => words.length));
        for (const { words, verb } of called) {
          output.text(`switchyard ${words.padEnd(width)}  ${verb.summary}`);
        }
      }
      return undefined;
    },
  };
}

function treeOf(nouns: readonly Noun[]) {
  return calledVerbs(nouns).map(({ words, verb }) => ({
    command: words,
    summary: verb.summary,
    arguments: (verb.arguments ?? []).map(({ name, summary }) => ({ name, summary })),
    options: (verb.options ?? []).map(({ flags, summary, choices }) => ({
      flags,
      summary,
      choices,
    })),
    operations: verb.operations,
    details: verb.details,
  }));
}

/** The tables of docs/reference/cli.md: one for each noun. */
export function markdownOf(nouns: readonly Noun[]): string {
  return nouns
    .map((noun) => {
      const rows = calledVerbs([noun]).map(({ words, verb }) => {
        const given = (verb.arguments ?? []).map(({ name }) => ` ${name}`).join("");
        const options = (verb.options ?? []).map(({ flags }) => `\`${flags}\``).join(", ");
        return `| \`${words}${given}\` | ${verb.summary} | ${options} |`;
      });
      const head = ["| command | what it does | options |", "|---|---|---|"];
      return [`## ${noun.summary}`, "", ...head, ...rows].join("\n");
    })
    .join("\n\n");
}
