import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import { type Installation, installOnce } from "../installation.ts";
import { pythonEnvironment } from "../python-environment.ts";
import type { EngineName } from "./engine-name.ts";

export const ROOT = resolve(import.meta.dirname, "../..");
const INSTALL_MS_MAX = 600_000;

const python = pythonEnvironment({
  folder: join(ROOT, ".cache/engines"),
  requirements: join(import.meta.dirname, "requirements.txt"),
  timeoutMs: INSTALL_MS_MAX,
});

const java: Installation = {
  list: join(import.meta.dirname, "pom.xml"),
  folder: join(ROOT, ".cache/engines-java"),
  needs: "Java 17 or later, and Maven",
  install: (folder, list) => {
    const options = { timeout: INSTALL_MS_MAX, stdio: "pipe" as const };
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
 * @returns why it cannot be used; undefined when it can
 */
export function installEngine(name: EngineName): string | undefined {
  const { list, folder, needs, install } = installations[name];
  const announced: typeof install = (...all) => {
    console.log(`Installing ${name} into ${folder.slice(ROOT.length + 1)} (about a minute) …`);
    install(...all);
  };
  return installOnce({ list, folder, needs, install: announced });
}
