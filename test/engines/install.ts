import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { EngineName } from "./engine-name.ts";

export const ROOT = resolve(import.meta.dirname, "../..");
const INSTALL_MS_MAX = 600_000;
const options = { timeout: INSTALL_MS_MAX, stdio: "pipe" as const };

type Installation = {
  /** What it is installed from: another text is installed anew. */
  readonly list: string;
  /** It has a copy of the list when it is complete. */
  readonly folder: string;
  readonly needs: string;
  install(folder: string, list: string): void;
};

const python: Installation = {
  list: join(import.meta.dirname, "requirements.txt"),
  folder: join(ROOT, ".cache/engines"),
  needs: "Python 3.11 or later, and its packages",
  install: (folder, list) => {
    execFileSync("python3", ["-m", "venv", folder], options);
    const pip = ["install", "--quiet", "--disable-pip-version-check", "-r", list];
    execFileSync(PYTHON, ["-m", "pip", ...pip], options);
  },
};

const java: Installation = {
  list: join(import.meta.dirname, "pom.xml"),
  folder: join(ROOT, ".cache/engines-java"),
  needs: "Java 17 or later, and Maven",
  install: (folder, list) => {
    execFileSync("java", ["-version"], options);
    const copy = ["dependency:copy-dependencies", `-DoutputDirectory=${folder}`];
    execFileSync("mvn", ["-q", "-B", "-f", list, ...copy], options);
  },
};

/** Runs Python with the engines' packages. */
export const PYTHON = join(python.folder, "bin/python");
/** Class path of the engines in Java. */
export const CLASS_PATH = join(java.folder, "*");

const installations: Record<EngineName, Installation> = {
  moto: python,
  ministack: python,
  elasticmq: java,
};

/**
 * Installs an engine into an environment of its own, where it is missing or of another version.
 *
 * @returns why it cannot be installed; undefined when it can
 */
export function installEngine(name: EngineName): string | undefined {
  const { list, folder, needs, install } = installations[name];
  const wanted = readFileSync(list, "utf8");
  const complete = join(folder, "installed-from.txt");
  if (existsSync(complete) && readFileSync(complete, "utf8") === wanted) return undefined;
  console.log(`Installing ${name} into ${folder.slice(ROOT.length + 1)} (about a minute) …`);
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    install(folder, list);
    writeFileSync(complete, wanted);
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    const [reason = ""] = `${stderr ?? ""}${(error as Error).message}`.split("\n");
    return `${needs} cannot be used (${reason})`;
  }
}
