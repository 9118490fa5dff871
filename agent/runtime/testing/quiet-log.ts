import { createLog, type Log } from "../log.ts";

/** Silent unless LOG_LEVEL says otherwise. */
export function quietLog(): Log {
  const log = createLog("test");
  log.level = process.env.LOG_LEVEL ?? "silent";
  return log;
}
