import { type Logger, pino } from "pino";

export type Log = Logger;

/** JSON lines on stderr. Level by LOG_LEVEL (default info). Secrets never reach a log line. */
export function createLog(name: string): Log {
  return pino(
    {
      name,
      level: process.env.LOG_LEVEL ?? "info",
      redact: {
        paths: [
          "joinToken",
          "*.joinToken",
          "secretAccessKey",
          "*.secretAccessKey",
          "handoverKey",
          "*.handoverKey",
          "*.*.handoverKey",
          "authorization",
        ],
        censor: "[redacted]",
      },
      serializers: { error: pino.stdSerializers.err },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
