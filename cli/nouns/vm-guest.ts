import type { Client } from "../../client/client.ts";
import { CliError } from "../exit/cli-error.ts";
import { readText } from "../input.ts";
import type { Output } from "../output/output.ts";
import type { Session } from "../session.ts";
import type { Argument, Verb } from "../verb.ts";

type Vm = Awaited<ReturnType<Client["getVm"]>>;
type Proposal = Awaited<ReturnType<Client["discoverVm"]>>;
type Change = Parameters<Client["defineVm"]>[1];

const vm: Argument = { name: "<vm>", summary: "name of the VM", of: "vm" };

const controls = {
  pause: "Pause a guest",
  resume: "Resume a guest that is paused or sleeps",
  reset: "Reset a guest, as its reset button does",
  powerdown: "Press a guest's power button",
} as const;

/** What is done to a guest that runs, and how one is brought in. */
export function guestVerbs(show: (session: Session, vm: Vm) => undefined): Verb[] {
  const names = ["pause", "resume", "reset", "powerdown"] as const;
  return [
    ...names.map(
      (name): Verb => ({
        name,
        summary: controls[name],
        operations: [`${name}Vm`],
        arguments: [vm],
        run: async (session, input) => {
          const id = input.argument(0);
          if (name === "reset") {
            await session.confirm(`Reset ${id}? The guest loses what it has not saved.`);
          }
          return show(session, await session.api[`${name}Vm`](id));
        },
      }),
    ),
    {
      name: "correct",
      summary: "Correct the definition of a VM: its host compares it with the guest first",
      operations: ["defineVm"],
      arguments: [vm],
      options: [
        { flags: "--definition <file>", summary: "the definition as JSON", required: true },
        { flags: "--accept <difference...>", summary: "names of differences that do no harm" },
      ],
      run: async (session, input) => {
        const definition = (await input.json("definition")) as NonNullable<Change["definition"]>;
        const accepted = input.texts("accept");
        const change = accepted.length === 0 ? {} : { acceptDifferences: [...accepted] };
        const id = input.argument(0);
        return show(session, await session.api.defineVm(id, { definition, ...change }));
      },
    },
    discover,
    importVerb,
  ];
}

const discover: Verb = {
  name: "discover",
  summary: "Propose the definition of a guest that runs already; nothing is adopted",
  operations: ["createVm"],
  arguments: [{ name: "<vm>", summary: "name that the VM would get" }],
  options: [
    { flags: "--host <host>", summary: "where it runs", of: "host", required: true },
    { flags: "--qmp <path>", summary: "QMP socket of its QEMU on that host", required: true },
  ],
  details:
    "Prints the definition (stdout), which `vm adopt --definition` takes, and what to look at\n" +
    "(stderr). -o json prints the whole proposal.",
  run: async ({ api, output }, input) => {
    const id = input.argument(0);
    const host = input.text("host") ?? "";
    const qmpPath = input.text("qmp") ?? "";
    const found = await api.discoverVm({ id, host, adopt: { qmpPath } });
    output.json(output.isForPeople ? found.definition : found);
    if (output.isForPeople) notesOf(output, found);
    return undefined;
  },
};

function notesOf(output: Output, { notes, comparison, notCompared, digest }: Proposal): void {
  for (const { outcome, option, reason } of notes) output.note(`${outcome}: ${option}: ${reason}`);
  for (const { name, cure } of comparison?.differences ?? []) {
    output.note(`differs: ${name}   cure: ${cure}`);
  }
  if (notCompared !== undefined) output.note(`not compared: ${notCompared}`);
  output.note(`digest: ${digest}`);
}

const importVerb: Verb = {
  name: "import",
  summary: "Make a definition of a command line of QEMU; nothing is run or stored",
  operations: ["importDefinition"],
  arguments: [{ name: "<file>", summary: "shell script or command line; - is stdin" }],
  details: "Prints the definition (stdout), and what became of other options (stderr).",
  run: async ({ api, output }, input) => {
    const commandLine = await readText(input.argument(0));
    if (commandLine.trim() === "") throw new CliError("usage", "Expected a command line");
    const made = await api.importDefinition(commandLine);
    output.json(output.isForPeople ? made.definition : made);
    for (const { outcome, option, reason } of output.isForPeople ? made.notes : []) {
      output.note(`${outcome}: ${option}: ${reason}`);
    }
    return undefined;
  },
};
