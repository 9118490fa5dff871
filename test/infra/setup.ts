import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { type Evaluation, evaluate, settings } from "./evaluation.ts";

declare module "vitest" {
  // biome-ignore lint/style/useConsistentTypeDefinitions: vitest's own interface is extended
  interface ProvidedContext {
    /** The protected stage. */
    production: Evaluation;
    /** Any other stage, with an authority for hosts. */
    trial: Evaluation;
  }
}

/** Once for all files: an evaluation takes seconds. */
export function setup(project: TestProject): void {
  const folder = mkdtempSync(join(tmpdir(), "sy-infra-"));
  const authority = join(folder, "hosts.pem");
  writeFileSync(authority, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
  try {
    project.provide("production", evaluate("production", settings, { bundles: true }));
    project.provide("trial", evaluate("trial", { ...settings, SWITCHYARD_HOST_CA: authority }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
