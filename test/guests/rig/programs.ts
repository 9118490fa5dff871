import path from "node:path";
import { runCommand } from "../../machine/command.ts";

export const LOADER = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES = "usr/lib/x86_64-linux-gnu";

/**
 * Runs a program of the unpacked packages with their libraries: the machine needs none of its own.
 *
 * @throws Error when it fails, with what it wrote last.
 */
export async function runUnpacked(
  root: string,
  program: string,
  args: readonly string[],
  deadlineMs = 60_000,
): Promise<string> {
  const libraries = ["--library-path", path.join(root, LIBRARIES)];
  const words = [...libraries, path.join(root, program), ...args];
  return (await runCommand(path.join(root, LOADER), words, { deadlineMs })).toString();
}

/** The shared libraries of a program of the unpacked packages, relative to their folder. */
export async function librariesOf(root: string, program: string): Promise<string[]> {
  const libraries = ["--library-path", path.join(root, LIBRARIES)];
  const words = [...libraries, "--list", path.join(root, program)];
  const list = await runCommand(path.join(root, LOADER), words, { deadlineMs: 10_000 });
  const found = [...list.toString().matchAll(/=> (\S+)/g)].map(([, file = ""]) => file);
  return found.map((file) => path.relative(root, file));
}
