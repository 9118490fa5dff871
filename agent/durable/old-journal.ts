import { existsSync, readFileSync, renameSync } from "node:fs";
import type * as z from "zod";
import type { Log } from "../runtime/log.ts";

/**
 * Reads a journal of JSON lines that an older agent has written. A last line without its line feed was
 * torn by a crash: it is logged and left out.
 *
 * @returns the entries; `finish` renames the file, so that it is read once
 * @throws Error naming the file and the line when another line cannot be read
 */
export function readOldJournal<T>(
  path: string,
  schema: z.ZodType<T>,
  log?: Log,
): { entries: T[]; finish: () => void } | undefined {
  if (!existsSync(path)) return undefined;
  const lines = readFileSync(path, "utf8").split("\n");
  const entries: T[] = [];
  lines.forEach((line, index) => {
    if (line === "") return;
    const entry = schema.safeParse(parseJson(line));
    if (entry.success) entries.push(entry.data);
    else if (index === lines.length - 1) log?.warn({ path, line }, "a torn line is left out");
    else {
      throw new Error(
        `${path}: line ${index + 1} is damaged, so the agent may have forgotten what it has done: end or reconcile the migrations of this host, then remove the line and start the agent again`,
      );
    }
  });
  return { entries, finish: () => renameSync(path, `${path}.imported`) };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
