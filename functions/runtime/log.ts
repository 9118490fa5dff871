import { destination, type Logger, pino } from "pino";
import { config } from "./config.ts";

/** Fields that must never be logged, at any depth of a logged object. */
const SECRET_FIELDS = [
  "token",
  "taskToken",
  "joinToken",
  "joinTokenHash",
  "secretAccessKey",
  "handoverKey",
  "secret",
  "authorization",
  "args",
];

let made: Logger | undefined;

/** JSON lines on stderr; the level is LOG_LEVEL. */
export function log(): Logger {
  made ??= pino(
    {
      level: config().logLevel,
      base: null,
      redact: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
    },
    destination({ dest: 2, sync: true }),
  );
  return made;
}
