import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { replaceFile } from "../durable/replace-file.ts";
import { identify } from "../runtime/process.ts";
import { removeImages } from "../storage/copy-images.ts";
import { monitorOption } from "./arguments.ts";
import { hasManifest, isRemainder, ManifestFields, readOlder, writeManifest } from "./manifest.ts";

const NAME = "starting.json";
const Starting = z.preprocess(readOlder, ManifestFields);
type Starting = z.infer<typeof ManifestFields>;

/**
 * Records a start before QEMU is started. Without it no agent would find the process of a start that
 * the agent died in.
 *
 * @throws the file system's error: then nothing may be started
 */
export function noteStart(folder: string, starting: Starting): void {
  replaceFile(join(folder, NAME), JSON.stringify(starting));
}

/** The manifest describes the process from here on. */
export function forgetStart(folder: string): void {
  rmSync(join(folder, NAME), { force: true });
}

/**
 * Finishes starts and removals that an earlier agent died in. A process that was started gets its
 * manifest, by which it is reattached; without a process the folder is removed.
 */
export function finishStarts(runDir: string, onError: (folder: string, error: unknown) => void) {
  if (!existsSync(runDir)) return;
  for (const name of readdirSync(runDir)) {
    const folder = join(runDir, name);
    if (!statSync(folder).isDirectory() || hasManifest(folder)) continue;
    try {
      if (existsSync(join(folder, NAME))) finishStart(folder);
      else if (isRemainder(folder)) rmSync(folder, { recursive: true });
    } catch (error) {
      onError(folder, error);
    }
  }
}

function finishStart(folder: string): void {
  const starting = Starting.parse(JSON.parse(readFileSync(join(folder, NAME), "utf8")));
  const pid = findProcess(monitorOption(starting.qmpPath));
  if (pid === undefined) {
    removeImages(starting.images);
    rmSync(folder, { recursive: true, force: true });
    return;
  }
  writeManifest(folder, { ...starting, ...identify(pid) });
  forgetStart(folder);
}

/** The process that has exactly this argument. */
function findProcess(argument: string): number | undefined {
  const name = readdirSync("/proc").find((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0").includes(argument);
    } catch {
      return false;
    }
  });
  return name === undefined ? undefined : Number(name);
}
