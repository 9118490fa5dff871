import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { identify, isAlive } from "../runtime/process.ts";

const Holder = z.object({
  pid: z.int().positive(),
  startTicks: z.string(),
  bootId: z.string().optional(),
});

/**
 * Two agents with one journal would carry commands out twice. Takes the state directory for this
 * process; the lock of a process that has ended does not count. Returns the way to give it back.
 *
 * @throws Error naming the process that holds it.
 */
export function lockStateDir(stateDir: string): () => void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, "agent.lock");
  const holder = readHolder(path);
  if (holder && holder.pid !== process.pid && isAlive(holder)) {
    throw new Error(`Another agent, process ${holder.pid}, uses ${stateDir}`);
  }
  const next = `${path}.${process.pid}`;
  writeFileSync(next, JSON.stringify(identify(process.pid)), { mode: 0o600 });
  renameSync(next, path);
  return () => {
    if (readHolder(path)?.pid === process.pid) rmSync(path, { force: true });
  };
}

function readHolder(path: string): z.infer<typeof Holder> | undefined {
  try {
    return Holder.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
