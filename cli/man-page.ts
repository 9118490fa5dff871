import { calledVerbs } from "./command-words.ts";
import { commonOptions } from "./common-options.ts";
import { exitCodes } from "./exit/exit-codes.ts";
import type { Argument, Noun, Option, Verb } from "./verb.ts";
import { CLI_VERSION } from "./version.ts";

/** The page of `man switchyard`, in the language of man(7). */
export function manOf(nouns: readonly Noun[]): string {
  const lines = [
    `.TH SWITCHYARD 1 "" "switchyard ${CLI_VERSION}" "Switchyard"`,
    ".SH NAME",
    "switchyard \\- moves running guests between hosts",
    ".SH SYNOPSIS",
    ".B switchyard",
    ".I command",
    "[arguments] [options]",
    ...nouns.flatMap((noun) => [
      `.SH ${roff(noun.name === undefined ? noun.summary : `${noun.name}: ${noun.summary}`).toUpperCase()}`,
      ...calledVerbs([noun]).flatMap(({ words, verb }) => verbLines(words, verb)),
    ]),
    ".SH OPTIONS OF EVERY COMMAND",
    ...commonOptions.flatMap(optionLines),
    ".SH EXIT STATUS",
    ...Object.values(exitCodes).flatMap(({ code, meaning }) => [
      ".TP",
      `.B ${code}`,
      roff(meaning),
    ]),
    ".SH ENVIRONMENT",
    ...environment.flatMap(([name, meaning]) => [".TP", `.B ${name}`, roff(meaning)]),
    ".SH FILES",
    ".TP",
    ".I $XDG_CONFIG_HOME/switchyard/config.toml",
    roff("profiles; ~/.config where the variable is not set"),
    ".TP",
    ".I $XDG_CONFIG_HOME/switchyard/credentials.toml",
    roff("their tokens; refused when others may read it"),
  ];
  return lines.join("\n");
}

const environment: readonly (readonly [string, string])[] = [
  ["SWITCHYARD_URL", "control plane"],
  ["SWITCHYARD_TOKEN", "the token"],
  ["SWITCHYARD_TOKEN_FILE", "file with the token"],
  ["SWITCHYARD_PROFILE", "profile to use"],
];

function verbLines(words: string, { summary, details, arguments: given = [], options = [] }: Verb) {
  const names = given.map(({ name }: Argument) => ` ${name}`).join("");
  return [
    `.SS ${roff(`switchyard ${words}${names}`)}`,
    roff(`${summary}.`),
    ...(details === undefined ? [] : [".PP", ...details.split("\n").map(roff)]),
    ...options.flatMap(optionLines),
  ];
}

function optionLines({ flags, summary }: Option): string[] {
  return [".TP", `.B ${roff(flags)}`, roff(summary)];
}

/** Text in which nothing is a request or an escape: hyphens are those of options. */
function roff(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
