import { readFileSync, statSync } from "node:fs";

/** @throws Error when the file cannot be read, or others may read it */
export function readSecret(path: string, what: string): string {
  const { mode } = statSync(path);
  if ((mode & 0o077) === 0) return readFileSync(path, "utf8").trim();
  throw new Error(
    `Expected the ${what} ${path} to be readable by its owner only, got mode ${(mode & 0o777).toString(8)}: chmod 600`,
  );
}
