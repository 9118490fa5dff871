import { RootCommand } from "@bomb.sh/tab";
import type { Client } from "../../client/client.ts";
import { type Called, calledVerbs } from "../command-words.ts";
import type { Session } from "../session.ts";
import type { Named, Noun, Verb } from "../verb.ts";

const SHELLS = ["bash", "zsh", "fish", "powershell"];
const NAME = "switchyard";
/** Names that are offered at most, and how long they are waited for. */
const NAMES_MAX = 100;
const NAMES_MS = 1_500;

/** The shell's script, and what the script calls for each press of the key. */
export function completionVerbs(nouns: () => readonly Noun[]): Verb[] {
  return [
    {
      name: "completion",
      summary: "Print the script by which a shell completes commands and names",
      operations: [],
      arguments: [{ name: "<shell>", summary: SHELLS.join(", ") }],
      details:
        "bash: source <(switchyard completion bash), in ~/.bashrc to keep it; zsh and fish alike.\n" +
        "Names of hosts, VMs and such are asked from the control plane.",
      run: async (_, input) => {
        const shell = input.argument(0);
        if (!SHELLS.includes(shell)) return "usage";
        new RootCommand().setup(NAME, NAME, shell);
        return undefined;
      },
    },
    {
      name: "complete",
      summary: "What the script of `completion` calls",
      operations: ["listHosts", "listVms", "listMigrations", "listEvacuations"],
      arguments: [{ name: "[words...]", summary: "the words of the command line so far" }],
      run: async (session, input) => {
        const words = [...input.arguments];
        const called = calledVerbs(nouns());
        const wanted = namedAt(called, words);
        const names = wanted === undefined ? [] : await namesOf(session, wanted);
        completionTree(nouns(), names).parse(words);
        return undefined;
      },
    },
  ];
}

/** What is named where the cursor stands: an option's value, or an argument. */
function namedAt(called: readonly Called[], words: readonly string[]): Named | undefined {
  const before = words.slice(0, -1);
  const found = called.find(({ words: own }) => before.join(" ").startsWith(own));
  if (found === undefined) return undefined;
  const { verb, words: own } = found;
  const last = before.at(-1) ?? "";
  const option = (verb.options ?? []).find(({ flags }) => longOf(flags) === last);
  if (option !== undefined) return option.of;
  const given = before.length - own.split(" ").length;
  return verb.arguments?.[given]?.of;
}

function longOf(flags: string): string {
  return /--[a-z-]+/.exec(flags)?.[0] ?? flags;
}

/** Names for the shell; none where the control plane does not answer at once. */
async function namesOf({ api }: Session, wanted: Named): Promise<string[]> {
  const timeout = AbortSignal.timeout(NAMES_MS);
  const late = new Promise<string[]>((resolve) => {
    timeout.addEventListener("abort", () => resolve([]), { once: true });
  });
  return Promise.race([idsOf(api, wanted).catch(() => []), late]);
}

async function idsOf(api: Client, wanted: Named): Promise<string[]> {
  const page = { limit: NAMES_MAX };
  const lists = {
    host: () => api.listHosts(page),
    vm: () => api.listVms(page),
    migration: () => api.listMigrations(page),
    evacuation: () => api.listEvacuations(page),
    schedule: () => api.listSchedules(page),
  };
  const { items } = await lists[wanted]();
  return items.map(({ id }) => id);
}

function completionTree(nouns: readonly Noun[], names: readonly string[]): RootCommand {
  const root = new RootCommand();
  // The library finds a command word by word, so a noun is one too.
  for (const { name, summary } of nouns) if (name !== undefined) root.command(name, summary);
  const offer = (complete: (value: string, description: string) => void) => {
    for (const name of names) complete(name, "");
  };
  for (const { words, verb } of calledVerbs(nouns)) {
    const command = root.command(words, verb.summary);
    for (const argument of verb.arguments ?? []) {
      const handler = argument.of === undefined ? undefined : offer;
      command.argument(argument.name.replace(/[<>[\].]/g, ""), handler);
    }
    for (const { flags, summary, choices, of } of verb.options ?? []) {
      const name = longOf(flags).slice(2);
      if (!flags.includes("<")) command.option(name, summary);
      else {
        command.option(name, summary, (complete) => {
          for (const choice of choices ?? []) complete(choice, "");
          if (of !== undefined) offer(complete);
        });
      }
    }
  }
  return root;
}
