import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { keyOf } from "../arn.ts";
import type { ExecutionHeader } from "../execution-record.ts";
import { parseJournal, readHeader } from "./journal.ts";
import type { MachineRecord } from "./store.ts";

/** Where a data folder's engine keeps what. */
export function foldersOf(folder: string) {
  return {
    generation: join(folder, "generation"),
    machines: join(folder, "machines.json"),
    definitions: join(folder, "definitions"),
    executions: join(folder, "executions"),
  };
}

export type Damage = {
  readonly file: string;
  /** The end of a sentence that begins with the file's name. */
  readonly what: string;
};

export type CheckOptions = {
  /** Which data folder it must belong to; undefined: any. */
  readonly generation: number | undefined;
  /** Files may be missing: the first start was interrupted. */
  readonly isNew: boolean;
};

/**
 * What is wrong with the files of a stopped engine. Changes nothing. The end of a journal that was
 * cut off in the middle of a line is no damage: a process that is killed while it writes leaves it.
 */
export function damagesOf(folder: string, options: CheckOptions): Damage[] {
  const paths = foldersOf(folder);
  const { machines, damages } = readMachines(paths.machines, options.isNew);
  const used = new Set(machines.map(({ definitionId }) => definitionId));
  for (const file of filesIn(paths.executions, ".jsonl")) {
    const what = damageOfJournal(file, used);
    if (what !== undefined) damages.push({ file, what });
  }
  for (const id of used) {
    const file = join(paths.definitions, `${id}.json`);
    if (!existsSync(file)) damages.push({ file, what: "is missing" });
    else if (keyOf(readFileSync(file, "utf8")) !== id) damages.push({ file, what: "is damaged" });
  }
  const what = damageOfGeneration(paths.generation, options);
  return what === undefined ? damages : [{ file: paths.generation, what }, ...damages];
}

function damageOfGeneration(file: string, { generation, isNew }: CheckOptions): string | undefined {
  if (generation === undefined) return undefined;
  if (!existsSync(file)) return isNew ? undefined : "is missing";
  const text = readFileSync(file, "utf8").trim();
  if (text === String(generation)) return undefined;
  return /^\d+$/.test(text) ? "belongs to another data folder" : "is damaged";
}

function readMachines(file: string, isNew: boolean) {
  const damaged = (what: string) => ({ machines: [], damages: [{ file, what }] });
  if (!existsSync(file)) return isNew ? { machines: [], damages: [] } : damaged("is missing");
  try {
    const machines = JSON.parse(readFileSync(file, "utf8")) as MachineRecord[];
    const isWhole = machines.every(({ arn, definitionId }) => arn && definitionId);
    const damages: Damage[] = [];
    return isWhole ? { machines, damages } : damaged("is damaged");
  } catch {
    return damaged("is not whole JSON");
  }
}

/** Adds the definition that a running execution needs. */
function damageOfJournal(file: string, used: Set<string>): string | undefined {
  try {
    const header: Partial<ExecutionHeader> = readHeader(file);
    if (header.arn === undefined || `${keyOf(header.arn)}.jsonl` !== basename(file)) {
      return "is not the journal of an execution";
    }
    if (header.status !== "RUNNING") return undefined;
    const { record } = parseJournal(file, readFileSync(file));
    used.add(record.header.definitionId);
    return undefined;
  } catch {
    return "is damaged";
  }
}

function filesIn(folder: string, suffix: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(suffix));
  return names.map((name) => join(folder, name));
}
