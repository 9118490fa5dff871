import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
const VENV = join(ROOT, ".cache/engines");
const REQUIREMENTS = join(import.meta.dirname, "requirements.txt");
const INSTALLED = join(VENV, "requirements.txt");
const INSTALL_MS_MAX = 600_000;

/** Runs Python with the engines' packages. */
export const PYTHON = join(VENV, "bin/python");

/**
 * Installs moto and ministack into an environment of their own, where they are missing or of other
 * versions.
 *
 * @returns why they cannot be installed; undefined when they can
 */
export function installEngines(): string | undefined {
  const wanted = readFileSync(REQUIREMENTS, "utf8");
  if (existsSync(INSTALLED) && readFileSync(INSTALLED, "utf8") === wanted) return undefined;
  const options = { timeout: INSTALL_MS_MAX, stdio: "pipe" as const };
  console.log("Installing test/engines/requirements.txt into .cache/engines (about a minute) …");
  try {
    rmSync(VENV, { recursive: true, force: true });
    mkdirSync(join(ROOT, ".cache"), { recursive: true });
    execFileSync("python3", ["-m", "venv", VENV], options);
    const pip = ["install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS];
    execFileSync(PYTHON, ["-m", "pip", ...pip], options);
    writeFileSync(INSTALLED, wanted);
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    const [reason = ""] = `${stderr ?? ""}${(error as Error).message}`.split("\n");
    return `Python 3.11 or later, or the packages, cannot be installed (${reason})`;
  }
}
