import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type Installation, installOnce } from "./installation.ts";

type Environment = {
  /** Of its own; made anew where it has other packages. */
  readonly folder: string;
  /** A file of pip's, with a version of each package. */
  readonly requirements: string;
  readonly timeoutMs: number;
};

/** Packages of Python in an environment of their own. */
export function pythonEnvironment({ folder, requirements, timeoutMs }: Environment): Installation {
  const options = { timeout: timeoutMs, stdio: "pipe" as const };
  return {
    folder,
    list: requirements,
    needs: "Python 3.11 or later, and its packages",
    install: () => {
      execFileSync("python3", ["-m", "venv", folder], options);
      const pip = ["install", "--quiet", "--disable-pip-version-check", "-r", requirements];
      execFileSync(join(folder, "bin/python"), ["-m", "pip", ...pip], options);
    },
  };
}

/** As {@link installOnce} does. */
export function installPython(environment: Environment): string | undefined {
  return installOnce(pythonEnvironment(environment));
}
