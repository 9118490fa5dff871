import { expect } from "vitest";
import { commandsOf } from "./page-commands.ts";
import { expected, notRun } from "./registry.ts";

type Ran = { readonly stdout: string; readonly stderr: string; readonly exit: number };
type Run = (command: string, environment: Record<string, string>) => Promise<Ran>;

export type PageRun = {
  readonly run: Run;
  /** Variables that the page's commands name, before each command. */
  readonly environment?: (command: string) => Promise<Record<string, string>>;
  /** What has to be true before the next command. */
  readonly after?: (command: string) => Promise<unknown>;
};

/** Runs the commands of a page in their order, and compares each with what the page promises. */
export async function runPage(page: string, { run, environment, after }: PageRun): Promise<void> {
  for (const command of commandsOf(page)) {
    if (longestStart(notRun[page] ?? {}, command) !== undefined) continue;
    const promised = longestStart(expected[page] ?? {}, command);
    const ran = await run(command, (await environment?.(command)) ?? {});
    const text = `${ran.stdout}${ran.stderr}`;
    expect({ command, exit: ran.exit, text }).toEqual({
      command,
      exit: promised?.exit ?? 0,
      text: expect.stringMatching(promised?.shows ?? /^nothing is promised$/),
    });
    await after?.(command);
  }
}

/** Of several beginnings the most exact one. */
function longestStart<T>(table: Readonly<Record<string, T>>, command: string): T | undefined {
  const starts = Object.keys(table).filter((start) => command.startsWith(start));
  const [longest] = starts.toSorted((a, b) => b.length - a.length);
  return longest === undefined ? undefined : table[longest];
}
