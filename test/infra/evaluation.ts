import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A resource that the program asks Pulumi for. */
export type Resource = { type: string; name: string; inputs: Record<string, unknown> };

/** The resources that the real sst.config.ts declares for one stage. */
export type Evaluation = {
  app: { name: string; stage: string; removal: string; protect: boolean };
  resources: Resource[];
  /** Handlers that SST was to bundle. */
  built: string[];
};

const EVALUATION_MS_MAX = 200_000;

/** The settings that a deployment needs. */
export const settings = {
  SWITCHYARD_JWT_ISSUER: "https://login.example",
  SWITCHYARD_JWT_AUDIENCE: "switchyard",
  SWITCHYARD_ALARM_EMAIL: "on-call@example.org",
  SWITCHYARD_REQUESTS_PER_SECOND_MAX: "100",
  SWITCHYARD_METRICS_NAMESPACE: "Switchyard/Test",
  SST_SECRET_CommandSigningKey: "the key that commands are signed with",
};

/**
 * Evaluates sst.config.ts under Pulumi's mocks, in a process of its own: Pulumi's runtime holds one
 * program per process.
 *
 * @param bundles the functions are really bundled, and must export what is named
 *
 * @throws Error with what the program has printed, if it fails
 */
export function evaluate(
  stage: string,
  environment: Record<string, string>,
  { bundles = false } = {},
): Evaluation {
  const folder = mkdtempSync(join(tmpdir(), "sy-infra-"));
  const file = join(folder, "evaluation.json");
  try {
    execFileSync(
      process.execPath,
      [join(import.meta.dirname, "evaluate.ts"), stage, file, ...(bundles ? ["bundle"] : [])],
      {
        env: { ...withoutSettings(), ...environment },
        timeout: EVALUATION_MS_MAX,
        stdio: "pipe",
      },
    );
    return JSON.parse(readFileSync(file, "utf8")) as Evaluation;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    throw new Error(`Failed to evaluate sst.config.ts: ${stderr ?? ""}`, { cause: error });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function withoutSettings(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(AWS_|SWITCHYARD_|SST_)/.test(name),
  );
  return Object.fromEntries(kept);
}

/** All resources of a type, by Pulumi's name of the type. */
export function ofType({ resources }: Evaluation, type: string): Resource[] {
  return resources.filter((resource) => resource.type === type);
}

/** Inputs of the one resource with this type and, if there are several, this name. */
export function inputsOf(evaluation: Evaluation, type: string, name?: string) {
  const found = ofType(evaluation, type).filter((one) => name === undefined || one.name === name);
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new Error(`Expected one ${type} ${name ?? ""}, found ${found.length}`);
  }
  return only.inputs;
}
