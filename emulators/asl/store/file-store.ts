import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { keyOf } from "../arn.ts";
import type { ExecutionRecord } from "../execution-record.ts";
import { damagesOf, foldersOf } from "./check-folder.ts";
import { FileSync } from "./file-sync.ts";
import { appendLine, readHeader, readJournal, removeJournal, writeSnapshot } from "./journal.ts";
import { lockFolder } from "./lock-folder.ts";
import { removeLeftovers, replaceFile } from "./replace-file.ts";
import type { FoundExecution, MachineRecord, Store } from "./store.ts";

/**
 * A journal is rewritten once it has doubled, and grown by at least this much, since its snapshot.
 */
const COMPACT_AFTER_BYTES = 4 * 1024 * 1024;

export type FileStoreOptions = {
  /** Which data folder it is part of; kept in the file `generation`. */
  readonly generation?: number | undefined;
  /** Each change is on the disk before anything follows from it. Default false: a step takes less. */
  readonly flush?: boolean | undefined;
};

/**
 * Keeps the engine's state in a folder: `machines.json`, `definitions/`, and one journal for each
 * execution in `executions/`.
 *
 * What was written survives the death of the process at any instant, and with `flush` that of the
 * machine.
 *
 * @throws Error if another live process uses the folder, or naming each damaged file
 */
export function fileStore(folder: string, options: FileStoreOptions = {}): Store {
  const { generation, flush = false } = options;
  const { executions, definitions, machines, generation: generationFile } = foldersOf(folder);
  mkdirSync(executions, { recursive: true, mode: 0o700 });
  mkdirSync(definitions, { recursive: true, mode: 0o700 });
  const unlock = lockFolder(folder);
  try {
    requireWhole(folder);
    if (generation !== undefined) replaceFile(generationFile, `${generation}\n`, { flush: true });
  } catch (error) {
    unlock();
    throw error;
  }
  for (const each of [folder, executions, definitions]) removeLeftovers(each);
  const sizes = new Map<string, { sizeBytes: number; snapshotBytes: number }>();
  const pathOf = (arn: string) => join(executions, `${keyOf(arn)}.jsonl`);
  const definitionPath = (id: string) => join(definitions, `${id}.json`);

  const sync = flush ? new FileSync() : undefined;

  function snapshot(record: ExecutionRecord): void {
    const { arn, status } = record.header;
    const sizeBytes = writeSnapshot(pathOf(arn), record, { flush });
    sync?.mark(executions);
    if (status === "RUNNING") sizes.set(arn, { sizeBytes, snapshotBytes: sizeBytes });
    else sizes.delete(arn);
  }

  function find(name: string): FoundExecution {
    const path = join(executions, name);
    const header = readHeader(path);
    if (header.status !== "RUNNING") return { running: false, header };
    const { record, sizeBytes } = readJournal(path);
    sizes.set(record.header.arn, { sizeBytes, snapshotBytes: sizeBytes });
    return { running: true, record };
  }

  return {
    isDurable: true,
    loadMachines: () =>
      existsSync(machines) ? (JSON.parse(readFileSync(machines, "utf8")) as MachineRecord[]) : [],
    saveMachines: (list) => replaceFile(machines, JSON.stringify(list), { flush: true }),
    saveDefinition: (id, text) => {
      if (!existsSync(definitionPath(id))) replaceFile(definitionPath(id), text, { flush: true });
    },
    loadDefinition: (id) =>
      existsSync(definitionPath(id)) ? readFileSync(definitionPath(id), "utf8") : undefined,
    keepDefinitions: (used) => {
      for (const name of readdirSync(definitions)) {
        if (!used.has(name.replace(/\.json$/, ""))) rmSync(join(definitions, name));
      }
    },
    findExecutions: () =>
      readdirSync(executions)
        .filter((name) => name.endsWith(".jsonl"))
        .map(find),
    createExecution: snapshot,
    appendChange: (record, change) => {
      const size = sizes.get(record.header.arn);
      const ended = record.header.status !== "RUNNING";
      // The first line of the file must say whether the execution runs: see readHeader.
      if (!size || ended) {
        snapshot(record);
        return;
      }
      const { sizeBytes } = size;
      const path = pathOf(record.header.arn);
      size.sizeBytes += appendLine(path, change, sizeBytes);
      sync?.mark(path);
      const grownBytes = size.sizeBytes - size.snapshotBytes;
      if (grownBytes > Math.max(COMPACT_AFTER_BYTES, size.snapshotBytes)) snapshot(record);
    },
    settled: sync && (() => sync.settled()),
    loadExecution: (arn) => readJournal(pathOf(arn)).record,
    removeExecution: (arn) => {
      sizes.delete(arn);
      removeJournal(pathOf(arn));
    },
    close: unlock,
  };
}

/** @throws Error naming each damaged file, before anything is written */
function requireWhole(folder: string): void {
  const damages = damagesOf(folder, { generation: undefined, isNew: true });
  if (damages.length === 0) return;
  const list = damages.map(({ file, what }) => `${file} ${what}`).join("; ");
  throw new Error(`Failed to open ${folder}: ${list}. Nothing was changed`);
}
