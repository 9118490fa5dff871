import { Command } from "commander";
import type { Dialogue } from "./dialogue.ts";
import { dialogues, dialoguesBetweenVersions } from "./dialogues.ts";
import { appliesTo, type Outcome, play, stopAll } from "./run.ts";
import { modelQemu, realQemu, type Subject } from "./subject.ts";

type Options = {
  qemu: string[];
  model: string[];
  json?: true;
  only?: string;
  cross?: true;
  list?: true;
  verbose?: true;
};

const collect = (value: string, before: string[]) => [...before, value];

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => stopAll().finally(() => process.exit(1)));
}

await new Command("test:conformance")
  .description("Plays QMP dialogues with QEMUs and compares each answer with what it must be.")
  .option(
    "--qemu <path>",
    "a real QEMU, repeatable (default: $SWITCHYARD_QEMU or qemu-system-x86_64)",
    collect,
    [],
  )
  .option("--model <version>", "the model QEMU in this version, repeatable", collect, [])
  .option("--only <name>", "only dialogues whose name contains this")
  .option("--cross", "play the dialogues between versions, for every two of the QEMUs given")
  .option("--list", "list the dialogues and end")
  .option("--verbose", "print every step")
  .option("--json", "print the transcripts as JSON")
  .action(main)
  .parseAsync();

async function main(options: Options): Promise<void> {
  const all = options.cross ? dialoguesBetweenVersions : dialogues;
  const chosen = all.filter(({ name }) => name.includes(options.only ?? ""));
  if (options.list) {
    for (const { name, claim } of chosen) console.log(`${name}  ${claim}`);
    return;
  }
  if (chosen.length === 0) throw new Error(`no dialogue has \`${options.only}\` in its name`);
  const outcomes: Outcome[] = [];
  const subjects = await subjectsOf(options);
  for (const source of subjects) {
    const targets = options.cross ? subjects.filter((other) => other !== source) : [source];
    for (const target of targets) {
      outcomes.push(...(await playAll({ source, target }, chosen, options)));
    }
  }
  if (options.json) console.log(JSON.stringify(outcomes, undefined, 2));
  else summarise(outcomes);
  process.exitCode = outcomes.some(({ verdict }) => verdict === "failed") ? 1 : 0;
}

async function subjectsOf({ qemu, model }: Options): Promise<Subject[]> {
  const standard = process.env.SWITCHYARD_QEMU ?? "qemu-system-x86_64";
  const paths = qemu.length + model.length === 0 ? [standard] : qemu;
  return [...(await Promise.all(paths.map(realQemu))), ...model.map(modelQemu)];
}

/** One after the other: a dialogue runs two QEMUs at most. */
async function playAll(
  { source, target }: { source: Subject; target: Subject },
  chosen: Dialogue[],
  options: Options,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const dialogue of chosen) {
    if (!appliesTo(dialogue, source, target)) continue;
    const outcome = await play(dialogue, source, target);
    outcomes.push(outcome);
    if (!options.json) show(outcome, options.verbose === true);
  }
  return outcomes;
}

function show(outcome: Outcome, verbose: boolean): void {
  const mark = { passed: "ok  ", failed: "FAIL", skipped: "skip" }[outcome.verdict];
  console.log(`${mark} ${outcome.subject}  ${outcome.dialogue}  ${outcome.durationMs} ms`);
  for (const known of outcome.known) console.log(`       known: ${known}`);
  for (const difference of outcome.differences) console.log(`       ${difference}`);
  if (!verbose) return;
  for (const { step, actual } of outcome.steps) {
    console.log(`       . ${step}: ${JSON.stringify(actual)}`);
  }
}

function summarise(outcomes: Outcome[]): void {
  const count = (verdict: Outcome["verdict"]) =>
    outcomes.filter((outcome) => outcome.verdict === verdict).length;
  console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`);
  if (count("skipped") > 0) console.log("Skipped: the host does not let QEMU use userfaultfd.");
}
