import { createLog, type Log } from "../log.ts";

/** Silent, or at LOG_LEVEL if that is set. */
export function quietLog(): Log {
  const log = createLog("test");
  log.level = process.env.LOG_LEVEL ?? "silent";
  return log;
}
