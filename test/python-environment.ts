import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

type Environment = {
  /** Of its own; made anew where it has other packages. */
  readonly folder: string;
  /** A file of pip's, with a version of each package. */
  readonly requirements: string;
  readonly timeoutMs: number;
};

/**
 * Installs packages of Python into an environment of their own, where they are missing or of other
 * versions.
 *
 * @returns why they cannot be used; undefined when they can
 */
export function installPython({
  folder,
  requirements,
  timeoutMs: timeout,
}: Environment): string | undefined {
  const wanted = readFileSync(requirements, "utf8");
  const installed = join(folder, "requirements.txt");
  if (existsSync(installed) && readFileSync(installed, "utf8") === wanted) return undefined;
  const options = { timeout, stdio: "pipe" as const };
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(dirname(folder), { recursive: true });
    execFileSync("python3", ["-m", "venv", folder], options);
    const pip = ["install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    execFileSync(join(folder, "bin/python"), ["-m", "pip", ...pip], options);
    writeFileSync(installed, wanted);
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    const [reason = ""] = `${stderr ?? ""}${(error as Error).message}`.split("\n");
    return `Python or its packages cannot be installed (${reason})`;
  }
}
