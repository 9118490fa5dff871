import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The settings of a preloaded process, from its environment. */
export type Inside = {
  /** The folder of the switches: files by which the campaign causes faults within a process. */
  switches: string;
  /** Time runs this much faster than the machine's; 1: as fast. */
  rate: number;
  /** When both clocks agreed, ms since the epoch. */
  sinceMs: number;
};

export const INSIDE = "SWITCHYARD_FAULTS_INSIDE";

export type SwitchName =
  /** ms by which this part's wall clock is off. */
  | `clock.${string}`
  /** This part can write no files. */
  | `disk-full.${string}`
  /** ms by which the workflows' clock has leapt so far. */
  | "leap"
  /** What happens to the next function calls: see functions.ts. */
  | "functions";

/** The part that this process is, by its command line: `cloud`, the name of a host, or `other`. */
export function partOf(argv: readonly string[]): string {
  const script = argv[1] ?? "";
  if (script.endsWith("/local/main.ts")) return "cloud";
  if (!script.endsWith("/agent/main.ts")) return "other";
  return basename(dirname(argv[argv.indexOf("--config") + 1] ?? ""));
}

/** Undefined when it is off. Read each time: a switch works from one instant to the next. */
export function readSwitch(folder: string, name: SwitchName): string | undefined {
  const path = join(folder, name);
  // Called at each reading of the clock: an absent switch must cost little.
  if (!existsSync(path)) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

export function writeSwitch(folder: string, name: SwitchName, text: string): void {
  writeFileSync(join(folder, name), text);
}

export function clearSwitch(folder: string, name: SwitchName): void {
  rmSync(join(folder, name), { force: true });
}
