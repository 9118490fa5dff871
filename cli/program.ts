import { Command, Option as CommanderOption } from "commander";
import { commonOptions } from "./common-options.ts";
import { exitCodes } from "./exit/exit-codes.ts";
import { exitOf } from "./exit/exit-of.ts";
import { Input } from "./input.ts";
import { nouns } from "./nouns.ts";
import { Output, type OutputFormat } from "./output/output.ts";
import { processTerminal, type Terminal } from "./output/terminal.ts";
import { reportError } from "./report-error.ts";
import { Session } from "./session.ts";
import type { Option, Verb } from "./verb.ts";
import { CLI_VERSION } from "./version.ts";

const EXITS = Object.values(exitCodes)
  .map(({ code, meaning }) => `  ${String(code).padEnd(4)} ${meaning}`)
  .join("\n");

/** Runs one command line; never throws. */
export async function runProgram(words: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  let exit = exitCodes.done.code as number;
  const program = buildProgram(terminal, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    // Commander has written its message.
    exit = exitCodes[exitOf(error)].code;
  }
  return exit;
}

function buildProgram(terminal: Terminal, onExit: (code: number) => void): Command {
  const program = new Command("switchyard")
    .description("Moves running guests between hosts: the command line of Switchyard's API")
    .version(CLI_VERSION, "-V, --version")
    // An option of a command, such as `--sort -VM`, is not one of the program.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError("(--help shows the usage)")
    .addHelpText("after", `\nExit codes:\n${EXITS}`);
  for (const { name, summary, verbs } of nouns) {
    const parent = name === undefined ? program : program.command(name).summary(summary);
    if (name !== undefined) parent.description(summary).copyInheritedSettings(program);
    for (const verb of verbs) addVerb(parent, verb, { terminal, onExit });
  }
  return program;
}

type Running = { readonly terminal: Terminal; readonly onExit: (code: number) => void };

function addVerb(parent: Command, verb: Verb, { terminal, onExit }: Running): void {
  const command = parent.command(verb.name).summary(verb.summary).description(verb.summary);
  for (const { name, summary } of verb.arguments ?? []) command.argument(name, summary);
  for (const option of verb.options ?? []) command.addOption(commanderOption(option));
  command.optionsGroup("Options of every command:");
  for (const option of commonOptions) command.addOption(commanderOption(option));
  if (verb.details !== undefined) command.addHelpText("after", `\n${verb.details}`);
  command.action(async () => {
    const options = command.opts<Record<string, unknown>>();
    const input = new Input(command.processedArgs.flat().filter(isText), options);
    const output = new Output({
      format: (input.text("output") ?? "table") as OutputFormat,
      columns: input.text("columns")?.split(","),
      sort: input.text("sort"),
      terminal,
    });
    try {
      const session = new Session({
        output,
        url: input.text("url"),
        tokenFile: input.text("tokenFile"),
        profile: input.text("profile"),
        yes: input.flag("yes"),
        utc: input.flag("utc"),
        verbose: input.flag("verbose"),
      });
      onExit(exitCodes[(await verb.run(session, input)) ?? "done"].code);
    } catch (error) {
      reportError(error, output);
      onExit(exitCodes[exitOf(error)].code);
    }
  });
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function commanderOption({ flags, summary, choices, required }: Option): CommanderOption {
  const option = new CommanderOption(flags, summary);
  if (choices !== undefined) option.choices(choices);
  if (required === true) option.makeOptionMandatory();
  return option;
}
