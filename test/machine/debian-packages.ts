import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { runCommand } from "./command.ts";
import { RigUnavailableError } from "./errors.ts";
import type { StageContext } from "./stage.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DOWNLOAD_DEADLINE_MS = 240_000;
const EXTRACT_DEADLINE_MS = 60_000;
/** apt reads all its lists for a question. */
const QUESTION_DEADLINE_MS = 60_000;

/** Packages of one suite of Debian, with all that they depend on. */
export type DebianPackages = {
  suite: string;
  names: readonly string[];
  /** What is downloaded, for people. */
  downloadMb: number;
  /** A package that is downloaded and stays packed. */
  keepPacked?: string;
};

/** The folder, relative to the cache folder, that holds the unpacked packages. */
export const ROOT = "root";
const ARCHIVES = "apt/cache/archives";

/**
 * Downloads the packages with apt, which checks their signatures, and unpacks them into a folder.
 * Nothing is installed: apt works on folders of its own inside the cache, with no package recorded.
 */
export async function unpackPackages(
  context: StageContext,
  packages: DebianPackages,
): Promise<void> {
  await download(context, packages);
  await extract(context, packages);
}

/** The file of a package that was downloaded. */
export async function packedPackage(cacheDir: string, name: string): Promise<string> {
  const archives = path.join(cacheDir, ARCHIVES);
  const file = (await readdir(archives)).find((one) => one.startsWith(`${name}_`));
  if (file === undefined) throw new Error(`Failed to find ${name} in ${archives}`);
  return path.join(archives, file);
}

async function download(
  { cacheDir, onProgress }: StageContext,
  { suite, names, downloadMb }: DebianPackages,
): Promise<void> {
  const env = { APT_CONFIG: await writeAptConfig(cacheDir, suite) };
  const options = { env, deadlineMs: DOWNLOAD_DEADLINE_MS };
  try {
    onProgress("packages: reading the package lists");
    await runCommand("apt-get", ["update", "-q", "--error-on=any"], options);
    onProgress(`packages: downloading, about ${downloadMb} MB`);
    const install = ["install", "--download-only", "-q", "-y", ...names];
    await runCommand("apt-get", install, options);
  } catch (error) {
    throw new RigUnavailableError("the packages cannot be downloaded", { cause: error });
  }
}

async function extract(
  { cacheDir, onProgress }: StageContext,
  { keepPacked }: DebianPackages,
): Promise<void> {
  const archives = path.join(cacheDir, ARCHIVES);
  const target = path.join(cacheDir, `${ROOT}.new`);
  await rm(target, { recursive: true, force: true });
  const files = (await readdir(archives)).filter(
    (file) => file.endsWith(".deb") && !file.startsWith(`${keepPacked}_`),
  );
  // base-files brings /lib -> usr/lib and the like, which the others' files must go through.
  files.sort((a, b) => Number(!a.startsWith("base-files_")) - Number(!b.startsWith("base-files_")));
  onProgress(`packages: unpacking ${files.length} packages`);
  for (const file of files) {
    const args = ["--extract", path.join(archives, file), target];
    await runCommand("dpkg-deb", args, { deadlineMs: EXTRACT_DEADLINE_MS });
  }
  await rm(path.join(cacheDir, ROOT), { recursive: true, force: true });
  await rename(target, path.join(cacheDir, ROOT));
}

async function writeAptConfig(cacheDir: string, suite: string): Promise<string> {
  const apt = path.join(cacheDir, "apt");
  for (const folder of [
    "state/lists/partial",
    "cache/archives/partial",
    "etc/apt.conf.d",
    "etc/preferences.d",
  ]) {
    await mkdir(path.join(apt, folder), { recursive: true });
  }
  await writeFile(path.join(apt, "state/status"), "");
  const keyring = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : "";
  const source = `deb ${keyring}${await findMirror()} ${suite} main\n`;
  await writeFile(path.join(apt, "etc/sources.list"), source);
  const config = path.join(apt, "apt.conf");
  await writeFile(config, [...aptSettings(apt), await hostAcquireSettings()].join("\n"));
  return config;
}

function aptSettings(apt: string): string[] {
  const settings: Record<string, string> = {
    Dir: apt,
    "Dir::State": path.join(apt, "state"),
    "Dir::State::status": path.join(apt, "state/status"),
    "Dir::Cache": path.join(apt, "cache"),
    "Dir::Etc": path.join(apt, "etc"),
    "Dir::Etc::sourceparts": "/dev/null",
    "APT::Architecture": "amd64",
    "APT::Install-Recommends": "false",
    "APT::Sandbox::User": "root",
    "Acquire::Retries": "3",
  };
  return Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
}

/** How this machine reaches its mirror: proxies and the like. */
async function hostAcquireSettings(): Promise<string> {
  const dump = await runCommand("apt-config", ["dump", "Acquire"], {
    deadlineMs: QUESTION_DEADLINE_MS,
  });
  const lines = dump.toString().split("\n");
  return lines.filter((line) => /^Acquire::.* "..*";$/.test(line)).join("\n");
}

/** The Debian mirror: SWITCHYARD_DEBIAN_MIRROR, else the one this machine's apt uses. */
async function findMirror(): Promise<string> {
  const chosen = process.env.SWITCHYARD_DEBIAN_MIRROR;
  if (chosen !== undefined && chosen !== "") return chosen;
  const args = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
  const targets = await runCommand("apt-get", args, { deadlineMs: QUESTION_DEADLINE_MS });
  const mirror = targets
    .toString()
    .split("\n")
    .find((uri) => /\/debian\/?$/.test(uri));
  if (mirror !== undefined) return mirror;
  throw new RigUnavailableError(
    "apt knows no Debian mirror (set SWITCHYARD_DEBIAN_MIRROR to the address of one)",
  );
}
