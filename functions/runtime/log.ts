import { destination, type Logger, pino } from "pino";
import { config } from "./config.ts";

/** What must never be written down, wherever in a logged object it stands. */
const secrets = ["token", "taskToken", "key", "keyHash", "handoverKey", "authorization", "args"];

let made: Logger | undefined;

/** JSON lines on stderr; the level is LOG_LEVEL. */
export function log(): Logger {
  made ??= pino(
    {
      level: config().logLevel,
      base: null,
      redact: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
    },
    destination({ dest: 2, sync: true }),
  );
  return made;
}
