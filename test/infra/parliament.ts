import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { installPython } from "../python-environment.ts";
import { ROOT } from "./tools.ts";

const VENV = join(ROOT, ".cache/infra-python");
const REQUIREMENTS = join(ROOT, "infra/requirements.txt");
const LINTER = join(VENV, "bin/parliament");
const INSTALL_MS_MAX = process.env.CI === undefined ? 240_000 : 30_000;
const LINT_MS_MAX = 100_000;

/**
 * Installs the linter into an environment of its own.
 *
 * @returns why it cannot be used; undefined when it can
 */
export function installParliament(): string | undefined {
  return installPython({ folder: VENV, requirements: REQUIREMENTS, timeoutMs: INSTALL_MS_MAX });
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
