import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { installPython } from "../python-environment.ts";

export const ROOT = resolve(import.meta.dirname, "../..");
const VENV = join(ROOT, ".cache/engines");
const REQUIREMENTS = join(import.meta.dirname, "requirements.txt");
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
  if (!existsSync(PYTHON))
    console.log("Installing test/engines/requirements.txt (about a minute) …");
  return installPython({ folder: VENV, requirements: REQUIREMENTS, timeoutMs: INSTALL_MS_MAX });
}
