import * as z from "zod";

/**
 * What the machine outside (l1.ts) and L1's first program (inside/control.ts) exchange over
 * a virtio serial port, one JSON object a line:
 *
 * 1. inside sends `ready` once;
 * 2. outside sends requests, each with an id of its own;
 * 3. inside answers each with `done` or `error`; to `spawn`, `output` follows as it comes and `exit`
 *    ends it;
 * 4. after `stop`, or when the port closes, inside kills what it started and L1 powers off.
 */
export type Request =
  | {
      op: "spawn";
      id: number;
      argv: readonly string[];
      cwd: string;
      env: Readonly<Record<string, string>>;
      /** The process and what it started are killed after this time. */
      deadlineMs: number;
    }
  | { op: "kill"; id: number; target: number; signal: NodeJS.Signals }
  | { op: "read"; id: number; path: string }
  | { op: "write"; id: number; path: string; text: string }
  | { op: "stop"; id: number };

export const Event = z.discriminatedUnion("event", [
  z.object({ event: z.literal("ready"), uptimeMs: z.number() }),
  z.object({ event: z.literal("done"), id: z.number(), text: z.string().optional() }),
  z.object({ event: z.literal("error"), id: z.number(), message: z.string() }),
  z.object({
    event: z.literal("output"),
    id: z.number(),
    stream: z.enum(["stdout", "stderr"]),
    text: z.string(),
  }),
  z.object({
    event: z.literal("exit"),
    id: z.number(),
    code: z.number().nullable(),
    signal: z.string().nullable(),
  }),
]);
export type Event = z.infer<typeof Event>;
