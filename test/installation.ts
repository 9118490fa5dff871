import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Installation = {
  /** A file that names what is installed, with versions: another text is installed anew. */
  readonly list: string;
  /** Of its own. It has a copy of the list when it is complete. */
  readonly folder: string;
  /** What the machine must have, for the message where it has not. */
  readonly needs: string;
  install(folder: string, list: string): void;
};

/**
 * Installs what is missing or of another version.
 *
 * @returns why it cannot be used; undefined when it can
 */
export function installOnce({ list, folder, needs, install }: Installation): string | undefined {
  const wanted = readFileSync(list, "utf8");
  const complete = join(folder, "installed-from.txt");
  if (existsSync(complete) && readFileSync(complete, "utf8") === wanted) return undefined;
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    install(folder, list);
    writeFileSync(complete, wanted);
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    const [reason = ""] = `${stderr ?? ""}${(error as Error).message}`.split("\n");
    return `${needs} cannot be used (${reason})`;
  }
}
