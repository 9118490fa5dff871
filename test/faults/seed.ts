import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import packageJson from "../../package.json" with { type: "json" };

const ROOT = resolve(import.meta.dirname, "../..");

/** Seeds are below this. */
export const SEEDS = 2 ** 31;

export type NamedSeed = { seed: number; from: string };

/**
 * The seed of a continuous-integration run: the same for all runs of one commit, another for the
 * next. Without git (an archive of the sources) it comes from the package's version.
 */
export function commitSeed(): NamedSeed {
  const commit = headCommit();
  const from = commit === undefined ? `version ${packageJson.version}` : `commit ${commit}`;
  return { seed: seedOf(commit ?? packageJson.version), from };
}

export function seedOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) % SEEDS;
}

function headCommit(): string | undefined {
  try {
    // A clone that belongs to another user, as on some CI machines, is read all the same.
    return execFileSync("git", ["-c", `safe.directory=${ROOT}`, "rev-parse", "HEAD"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 20_000,
    }).trim();
  } catch {
    return undefined;
  }
}
