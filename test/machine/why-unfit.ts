import { existsSync } from "node:fs";
import path from "node:path";

/**
 * Why this machine cannot build a rig, on one line; undefined when it can. `programs` are those that
 * it needs, each with the Debian package that has it.
 */
export function whyUnfit(
  whyRoot: string,
  programs: Readonly<Record<string, string>>,
): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "not an x86-64 Linux machine";
  if (process.getuid?.() !== 0) return `not root (${whyRoot})`;
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const absent = Object.entries(programs).filter(
    ([program]) => !folders.some((folder) => existsSync(path.join(folder, program))),
  );
  if (absent.length === 0) return undefined;
  const names = absent.map(([program]) => program).join(", ");
  return `no ${names} (apt-get install ${absent.map(([, name]) => name).join(" ")})`;
}
