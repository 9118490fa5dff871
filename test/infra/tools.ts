import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
export const PLATFORM = join(ROOT, ".sst/platform");
const INFRA = join(ROOT, "infra");
const INSTALL_MS_MAX = 600_000;

/** Loads packages of SST's platform: Pulumi, and the esbuild that SST bundles with. */
export const platformRequire = createRequire(join(PLATFORM, "package.json"));
/** Loads packages of infra/package.json. */
export const infraRequire = createRequire(join(INFRA, "package.json"));

/**
 * Installs SST and the validators (infra/package.json) and SST's platform where they are missing or
 * of another version. They come from the npm registry alone; no AWS account is asked for.
 */
export function installTools(): void {
  const wanted = versionsIn(join(INFRA, "package.json"));
  const isInstalled = Object.entries(wanted).every(
    ([name, version]) => versionOf(join(INFRA, "node_modules", name)) === version,
  );
  if (!isInstalled) {
    console.log("Installing infra/package.json (126 MB) …");
    run("npm", ["ci", "--prefix", INFRA]);
  }
  const marker = join(PLATFORM, "version");
  const isCurrent =
    existsSync(marker) &&
    readFileSync(marker, "utf8").trim() === wanted.sst &&
    existsSync(join(PLATFORM, "node_modules/@pulumi/aws/package.json"));
  if (isCurrent) return;
  console.log("Installing SST's platform into .sst (323 MB) …");
  run(join(INFRA, "node_modules/.bin/sst"), ["install"]);
}

function run(command: string, args: string[]): void {
  const env = {
    ...process.env,
    // Pulumi's engine and bun would come from elsewhere; only `sst deploy` needs them.
    SST_SKIP_DEPENDENCY_CHECK: "1",
    SST_NO_BUN: "1",
    SST_STAGE: "ci",
    SST_TELEMETRY_DISABLED: "1",
  };
  try {
    execFileSync(command, args, { cwd: ROOT, env, timeout: INSTALL_MS_MAX, stdio: "pipe" });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    const output = `${stdout ?? ""}${stderr ?? ""}`.slice(-2_000);
    throw new Error(`Failed to run ${command} ${args.join(" ")}: ${output}`, { cause: error });
  }
}

function versionsIn(file: string): Record<string, string> {
  const { devDependencies } = JSON.parse(readFileSync(file, "utf8"));
  return devDependencies as Record<string, string>;
}

function versionOf(folder: string): string | undefined {
  const file = join(folder, "package.json");
  if (!existsSync(file)) return undefined;
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
