import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { ROOT } from "./tools.ts";

const VENV = join(ROOT, ".cache/infra-python");
const REQUIREMENTS = join(ROOT, "infra/requirements.txt");
const INSTALLED = join(VENV, "requirements.txt");
const LINTER = join(VENV, "bin/parliament");
const INSTALL_MS_MAX = process.env.CI === undefined ? 240_000 : 30_000;
const LINT_MS_MAX = 100_000;

/**
 * Installs the linter into an environment of its own.
 *
 * @returns why it cannot be used; undefined when it can
 */
export function installParliament(): string | undefined {
  const wanted = readFileSync(REQUIREMENTS, "utf8");
  if (existsSync(INSTALLED) && readFileSync(INSTALLED, "utf8") === wanted) return undefined;
  const options = { timeout: INSTALL_MS_MAX, stdio: "pipe" as const };
  try {
    rmSync(VENV, { recursive: true, force: true });
    mkdirSync(join(ROOT, ".cache"), { recursive: true });
    execFileSync("python3", ["-m", "venv", VENV], options);
    const pip = ["install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS];
    execFileSync(join(VENV, "bin/pip"), pip, options);
    writeFileSync(INSTALLED, wanted);
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    const [reason = ""] = `${stderr ?? ""}${(error as Error).message}`.split("\n");
    return `Python or its packages cannot be installed (${reason})`;
  }
}

const Finding = z.looseObject({
  issue: z.string(),
  detail: z.unknown(),
  location: z.looseObject({ filepath: z.string().nullable() }),
});
type Finding = z.infer<typeof Finding>;

/**
 * Its data wants DescribeExecution to name an express execution, which cannot be described at all:
 * AWS's service authorization reference lists that type beside `execution`.
 */
const FALSE_FINDING =
  '[{"action":"states:DescribeExecution","required_format":"arn:*:states:*:*:express:*:*:*"}]';

/** What parliament says against policies; `folder` is created for them and removed. */
export function findFindings(policies: Record<string, string>, folder: string): Finding[] {
  mkdirSync(folder, { recursive: true });
  try {
    for (const [name, text] of Object.entries(policies)) {
      writeFileSync(join(folder, `${name}.json`), text);
    }
    const { stdout, stderr, error } = spawnSync(LINTER, ["--json", "--directory", folder], {
      encoding: "utf8",
      timeout: LINT_MS_MAX,
    });
    if (error !== undefined || stderr.trim() !== "") {
      throw new Error(`Failed to run parliament: ${stderr}`, { cause: error });
    }
    const lines = stdout.split("\n").filter((line) => line !== "");
    const findings = lines.map((line) => Finding.parse(JSON.parse(line)));
    return findings.filter(({ detail }) => JSON.stringify(detail) !== FALSE_FINDING);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
