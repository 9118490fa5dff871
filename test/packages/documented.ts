import { readFileSync } from "node:fs";
import path from "node:path";
import { PROJECT_DIR } from "../machine/project-dir.ts";

const SHELL = /```sh\n(.*?)```/gs;

/**
 * The commands of the shell blocks under a heading of a page, as root types them.
 *
 * @throws Error when there are none: what a page says is to be run
 */
export function documented(page: string, heading: string): string[] {
  const text = readFileSync(path.join(PROJECT_DIR, page), "utf8");
  const [, section = ""] = text.split(`\n${heading}\n`);
  const [own = ""] = section.split(/\n#+ /);
  const commands = [...own.matchAll(SHELL)]
    .flatMap(([, block = ""]) => block.trim().split("\n"))
    .map((line) => line.trim().replaceAll("sudo ", ""));
  if (commands.length === 0) throw new Error(`Expected commands under "${heading}" of ${page}`);
  return commands;
}
