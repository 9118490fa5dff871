import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
export const PLATFORM = join(ROOT, ".sst/platform");
const INFRA = join(ROOT, "infra");
/** For both downloads together. CI has three minutes for all of `npm run test:infra`. */
const INSTALL_MS_MAX = process.env.CI === undefined ? 600_000 : 100_000;

/** Loads packages of SST's platform: Pulumi, and the esbuild that SST bundles with. */
export const platformRequire = createRequire(join(PLATFORM, "package.json"));
/** Loads packages of infra/package.json. */
export const infraRequire = createRequire(join(INFRA, "package.json"));

/**
 * Installs SST and the validators (infra/package.json) and SST's platform where they are missing or
 * of another version. They come from the npm registry alone; no AWS account is asked for.
 *
 * @returns why they cannot be installed: the network does not let them in; undefined when they can
 *
 * @throws Error when they cannot be installed for another reason
 */
export function installTools(): string | undefined {
  try {
    installMissing();
    return undefined;
  } catch (error) {
    if (error instanceof NetworkError) return error.message;
    throw error;
  }
}

class NetworkError extends Error {}

/** How npm, Go and Node call a network that does not answer. */
const NETWORK_FAILURE =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|no such host|i\/o timeout|connection refused/;

function installMissing(): void {
  const endMs = performance.now() + INSTALL_MS_MAX;
  const wanted = versionsIn(join(INFRA, "package.json"));
  const isInstalled = Object.entries(wanted).every(
    ([name, version]) => versionOf(join(INFRA, "node_modules", name)) === version,
  );
  if (!isInstalled) {
    console.log("Installing infra/package.json (126 MB) …");
    run("npm", ["ci", "--prefix", INFRA], endMs);
  }
  const marker = join(PLATFORM, "version");
  const isCurrent =
    existsSync(marker) &&
    readFileSync(marker, "utf8").trim() === wanted.sst &&
    existsSync(join(PLATFORM, "node_modules/@pulumi/aws/package.json"));
  if (isCurrent) return;
  console.log("Installing SST's platform into .sst (323 MB) …");
  run(join(INFRA, "node_modules/.bin/sst"), ["install"], endMs);
}

function run(command: string, args: string[], endMs: number): void {
  const timeout = Math.max(1, Math.round(endMs - performance.now()));
  const env = {
    ...process.env,
    // Pulumi's engine and bun would come from elsewhere; only `sst deploy` needs them.
    SST_SKIP_DEPENDENCY_CHECK: "1",
    SST_NO_BUN: "1",
    SST_STAGE: "ci",
    SST_TELEMETRY_DISABLED: "1",
  };
  try {
    execFileSync(command, args, { cwd: ROOT, env, timeout, stdio: "pipe" });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    const output = `${stdout ?? ""}${stderr ?? ""}`.slice(-2_000);
    const failed = `Failed to run ${command} ${args.join(" ")}`;
    if ((error as NodeJS.ErrnoException).code === "ETIMEDOUT") {
      throw new NetworkError(`${failed}: the downloads took over ${INSTALL_MS_MAX / 1000} s`, {
        cause: error,
      });
    }
    const reason = output.split("\n").find((line) => NETWORK_FAILURE.test(line));
    if (reason !== undefined) throw new NetworkError(`${failed}: ${reason}`, { cause: error });
    throw new Error(`${failed}: ${output}`, { cause: error });
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
