import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A folder of the running test's own, removed after it. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sy-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
