import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Whether GNU as for x86 and objcopy are there. */
export const hasAssembler =
  spawnSync("as", ["--32", "-o", "/dev/null", "/dev/null"]).status === 0 &&
  spawnSync("objcopy", ["--version"]).status === 0;

/** Assembles a source of rig/guest to a flat binary, with files of its own in `directory`. */
export async function assemble(
  source: string,
  directory: string,
  symbols: Readonly<Record<string, number>> = {},
): Promise<Buffer> {
  const object = join(directory, "guest.o");
  const binary = join(directory, "guest.bin");
  const defined = Object.entries(symbols).flatMap(([name, value]) => [
    "--defsym",
    `${name}=${value}`,
  ]);
  const folder = join(import.meta.dirname, "..");
  run("as", ["--32", "-I", folder, ...defined, "-o", object, join(folder, source)]);
  run("objcopy", ["-O", "binary", "-j", ".text", object, binary]);
  return readFile(binary);
}

function run(command: string, args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: 20_000 });
  if (status !== 0) throw new Error(`Failed to run ${command}: ${stderr}`);
}
