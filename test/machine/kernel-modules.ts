import { readdir } from "node:fs/promises";
import path from "node:path";
import { runCommand } from "./command.ts";
import { ROOT } from "./debian-packages.ts";

const DEADLINE_MS = 30_000;

export type KernelModule = { readonly name: string; readonly data: Buffer };

/** Release of the kernel in the unpacked packages, such as `6.12.107+deb13-amd64`. */
export async function kernelRelease(cacheDir: string): Promise<string> {
  const releases = await readdir(path.join(cacheDir, ROOT, "usr/lib/modules"));
  const [release] = releases;
  if (release === undefined || releases.length > 1) {
    throw new Error(`Expected one kernel in the packages, got ${releases.length}`);
  }
  return release;
}

/**
 * These modules of the unpacked kernel with all that they depend on, in an order in which they can be
 * loaded. The package has no list of dependencies: each module names its own.
 *
 * @throws Error that names a module which the kernel has not.
 */
export async function readModules(folder: string, wanted: readonly string[]) {
  const files = await readdir(folder, { recursive: true });
  const paths = new Map(
    files.flatMap((file) => {
      const name = /([^/]+)\.ko\.xz$/.exec(file)?.[1];
      return name === undefined ? [] : [[plain(name), path.join(folder, file)] as const];
    }),
  );
  const modules = new Map<string, KernelModule>();
  const add = async (name: string): Promise<void> => {
    if (modules.has(name)) return;
    const file = paths.get(name);
    if (file === undefined) throw new Error(`Failed to find kernel module ${name} in ${folder}`);
    const data = await runCommand("xz", ["-dc", file], { deadlineMs: DEADLINE_MS });
    for (const needed of dependencies(data)) await add(needed);
    modules.set(name, { name, data });
  };
  for (const name of wanted) await add(plain(name));
  return [...modules.values()];
}

/** What a module says it needs, in its section `.modinfo`: `depends=a,b`. */
export function dependencies(module: Buffer): string[] {
  const start = module.indexOf("\0depends=", 0, "latin1");
  if (start < 0) return [];
  const end = module.indexOf(0, start + 1);
  const names = module.toString("latin1", start + "\0depends=".length, end);
  return names
    .split(",")
    .filter((name) => name !== "")
    .map(plain);
}

function plain(name: string): string {
  return name.replaceAll("-", "_");
}
