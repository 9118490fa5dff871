import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { runCommand } from "./command.ts";
import { RigUnavailableError } from "./errors.ts";
import type { Stage, StageContext } from "./stage.ts";

/**
 * Suite whose kernel has a migratable mtty (6.6 and later) and whose QEMU can move it (8.1 and
 * later).
 */
const SUITE = "trixie";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DOWNLOAD_DEADLINE_MS = 240_000;
const EXTRACT_DEADLINE_MS = 60_000;

const KERNEL_SOURCE = "linux-source-6.12";
const PACKAGES: readonly string[] = [
  // what L1 runs; the kernel image comes with its headers
  ["busybox-static", "qemu-system-x86", "seabios", "libstdc++6", "libgcc-s1", "libc6"],
  // what builds its module: these are not pulled in because every Debian system has them
  ["base-files", "coreutils", "dash", "findutils", "grep", "mawk", "perl-base", "sed"],
  ["binutils", "gcc", "linux-headers-amd64", "make", KERNEL_SOURCE],
].flat();

/** The folder, relative to the cache folder, that holds the unpacked packages. */
export const ROOT = "root";
const ARCHIVES = "apt/cache/archives";

/**
 * Downloads the packages with apt, which checks their signatures, and unpacks them into a folder.
 * Nothing is installed: apt works on folders of its own inside the cache, with no package recorded.
 */
export function packagesStage(context: StageContext): Stage {
  return {
    name: "packages",
    inputs: [SUITE, ...PACKAGES],
    outputs: [ROOT],
    build: async () => {
      await download(context);
      await extract(context);
    },
  };
}

/** The downloaded package with the kernel's source. */
export async function kernelSourcePackage(cacheDir: string): Promise<string> {
  const archives = path.join(cacheDir, ARCHIVES);
  const name = (await readdir(archives)).find((file) => file.startsWith(`${KERNEL_SOURCE}_`));
  if (name === undefined) throw new Error(`Failed to find ${KERNEL_SOURCE} in ${archives}`);
  return path.join(archives, name);
}

async function download({ cacheDir, onProgress }: StageContext): Promise<void> {
  const env = { APT_CONFIG: await writeAptConfig(cacheDir) };
  const options = { env, deadlineMs: DOWNLOAD_DEADLINE_MS };
  try {
    onProgress("packages: reading the package lists");
    await runCommand("apt-get", ["update", "-q", "--error-on=any"], options);
    onProgress("packages: downloading, about 400 MB");
    const install = ["install", "--download-only", "-q", "-y", ...PACKAGES];
    await runCommand("apt-get", install, options);
  } catch (error) {
    throw new RigUnavailableError("the packages cannot be downloaded", { cause: error });
  }
}

async function extract({ cacheDir, onProgress }: StageContext): Promise<void> {
  const archives = path.join(cacheDir, ARCHIVES);
  const target = path.join(cacheDir, `${ROOT}.new`);
  await rm(target, { recursive: true, force: true });
  const files = (await readdir(archives)).filter(
    (file) => file.endsWith(".deb") && !file.startsWith(`${KERNEL_SOURCE}_`),
  );
  // base-files brings /lib -> usr/lib and the like, which the others' files must go through.
  files.sort((a, b) => Number(!a.startsWith("base-files_")) - Number(!b.startsWith("base-files_")));
  onProgress(`packages: unpacking ${files.length} packages`);
  for (const file of files) {
    const args = ["--extract", path.join(archives, file), target];
    await runCommand("dpkg-deb", args, { deadlineMs: EXTRACT_DEADLINE_MS });
  }
  // Maintainer scripts would set these up.
  await symlink("mawk", path.join(target, "usr/bin/awk"));
  const devNull = path.join(target, "dev/null");
  await runCommand("mknod", ["-m", "666", devNull, "c", "1", "3"], { deadlineMs: 10_000 });
  await rm(path.join(cacheDir, ROOT), { recursive: true, force: true });
  await rename(target, path.join(cacheDir, ROOT));
}

async function writeAptConfig(cacheDir: string): Promise<string> {
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
  const source = `deb ${keyring}${await findMirror()} ${SUITE} main\n`;
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
  const dump = await runCommand("apt-config", ["dump", "Acquire"], { deadlineMs: 10_000 });
  const lines = dump.toString().split("\n");
  return lines.filter((line) => /^Acquire::.* "..*";$/.test(line)).join("\n");
}

/** The Debian mirror: SWITCHYARD_DEBIAN_MIRROR, else the one this machine's apt uses. */
async function findMirror(): Promise<string> {
  const chosen = process.env.SWITCHYARD_DEBIAN_MIRROR;
  if (chosen !== undefined && chosen !== "") return chosen;
  const args = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
  const targets = await runCommand("apt-get", args, { deadlineMs: 10_000 });
  const mirror = targets
    .toString()
    .split("\n")
    .find((uri) => /\/debian\/?$/.test(uri));
  if (mirror !== undefined) return mirror;
  throw new RigUnavailableError(
    "apt knows no Debian mirror (set SWITCHYARD_DEBIAN_MIRROR to the address of one)",
  );
}
