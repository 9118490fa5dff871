import { existsSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import path from "node:path";

/** One builder at a time: a second one fails, with the first one's process id. */
export async function lockFolder(cacheDir: string): Promise<() => Promise<void>> {
  const file = path.join(cacheDir, "lock");
  const owner = Number(await readFile(file, "utf8").catch(() => "0"));
  if (owner > 0 && !existsSync(`/proc/${owner}`)) await rm(file, { force: true });
  const handle = await open(file, "wx").catch((cause: unknown) => {
    throw new Error(`Failed to lock ${cacheDir}: process ${owner} builds in it`, { cause });
  });
  await handle.writeFile(String(process.pid));
  await handle.close();
  return async () => await rm(file, { force: true });
}
