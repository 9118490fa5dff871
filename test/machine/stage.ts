import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";

/**
 * One step of the build whose result is kept. A stage is done when its stamp holds the hash of its
 * present inputs and every output is there; so an interrupted build continues where it stopped and
 * a changed input rebuilds only what depends on it.
 */
export type Stage = {
  name: string;
  /** Everything the result depends on, the keys of earlier stages included. */
  inputs: readonly (string | Uint8Array)[];
  /** Files or folders that must exist afterwards, relative to the cache folder. */
  outputs: readonly string[];
  build(): Promise<void>;
};

export type StageContext = {
  cacheDir: string;
  onProgress: (line: string) => void;
};

/** Builds the stage unless its stamp is current; returns its key for the stages after it. */
export async function runStage(context: StageContext, stage: Stage): Promise<string> {
  const key = stageKey(stage);
  const stamp = stampFile(context.cacheDir, stage.name);
  if (await isCurrent(context.cacheDir, stage)) {
    context.onProgress(`${stage.name}: up to date`);
    return key;
  }
  context.onProgress(`${stage.name}: building`);
  const startedMs = performance.now();
  await rm(stamp, { force: true });
  await stage.build();
  const missing = missingOutput(context.cacheDir, stage);
  if (missing !== undefined) throw new Error(`Failed to build ${stage.name}: no ${missing}`);
  await mkdir(path.dirname(stamp), { recursive: true });
  await writeFile(`${stamp}.new`, key);
  await rename(`${stamp}.new`, stamp);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  context.onProgress(`${stage.name}: built in ${seconds} s`);
  return key;
}

/** Whether the stage's stamp matches its inputs and its outputs are there. */
export async function isCurrent(cacheDir: string, stage: Stage): Promise<boolean> {
  if (missingOutput(cacheDir, stage) !== undefined) return false;
  const stamp = await readFile(stampFile(cacheDir, stage.name), "utf8").catch(() => "");
  return stamp === stageKey(stage);
}

/** SHA-256 over the stage's name and inputs, each with its length, so that no two lists collide. */
export function stageKey(stage: Pick<Stage, "name" | "inputs">): string {
  const hash = createHash("sha256");
  for (const input of [stage.name, ...stage.inputs]) {
    const bytes = Buffer.from(input);
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest("hex");
}

function stampFile(cacheDir: string, name: string): string {
  return path.join(cacheDir, "stamps", name);
}

function missingOutput(cacheDir: string, stage: Stage): string | undefined {
  return stage.outputs.find((output) => !existsSync(path.join(cacheDir, output)));
}
