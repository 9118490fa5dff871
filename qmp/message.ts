import * as z from "zod";
import { QmpProtocolError } from "./error.ts";
import { parseJson, stringifyJson } from "./integer.ts";

/**
 * Messages on the wire, one JSON object per line (QEMU docs/interop/qmp-spec.rst, below "qmp-spec";
 * the section is named beside each).
 *
 *   <- {"QMP": {"version": {...}, "capabilities": ["oob"]}}    "Server Greeting", once
 *   -> {"execute": "qmp_capabilities", "arguments": {...}, "id": 1}   "Capabilities Negotiation"
 *   <- {"return": {}, "id": 1}  or  {"error": {"class", "desc"}, "id": 1}   "Commands Responses"
 *   -> {"exec-oob": "yank", "arguments": {...}, "id": 2}     "Out-of-band execution"
 *   <- {"event": "STOP", "timestamp": {"seconds", "microseconds"}, "data": {...}}   "Asynchronous events"
 */
export type QmpMessage =
  | { readonly kind: "greeting"; readonly greeting: QmpGreeting }
  | { readonly kind: "return"; readonly id: unknown; readonly value: unknown }
  | {
      readonly kind: "error";
      readonly id: unknown;
      readonly class: string;
      readonly desc: string;
    }
  | { readonly kind: "event"; readonly event: WireEvent };

/** `package` is the distributor's version text, "" in an upstream build. */
export const QmpVersion = z.looseObject({
  qemu: z.looseObject({ major: z.number(), minor: z.number(), micro: z.number() }),
  package: z.string(),
});
export type QmpVersion = z.infer<typeof QmpVersion>;

export const QmpGreeting = z.looseObject({
  version: QmpVersion,
  capabilities: z.array(z.string()),
});
export type QmpGreeting = z.infer<typeof QmpGreeting>;

const Greeting = z.looseObject({ QMP: QmpGreeting });
const ErrorReply = z.looseObject({
  id: z.unknown().optional(),
  error: z.looseObject({ class: z.string(), desc: z.string() }),
});
const WireEvent = z.looseObject({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).default({}),
  timestamp: z.looseObject({ seconds: z.number(), microseconds: z.number() }),
});
export type WireEvent = z.infer<typeof WireEvent>;

export type QmpRequest = {
  readonly id: number;
  readonly command: string;
  readonly arguments?: object | undefined;
  readonly oob: boolean;
};

export function encodeRequest(request: QmpRequest): string {
  const { id, command, oob } = request;
  const message = {
    [oob ? "exec-oob" : "execute"]: command,
    arguments: request.arguments,
    id,
  };
  return `${stringifyJson(message)}\n`;
}

/**
 * Reads one line. Members beyond the expected ones pass (qmp-spec, "Compatibility Considerations").
 *
 * @throws QmpProtocolError when it is not a message of a QMP server
 */
export function decodeMessage(line: Uint8Array): QmpMessage {
  const message = decodeObject(line);
  if ("event" in message) return { kind: "event", event: parse(WireEvent, message) };
  if ("return" in message) return { kind: "return", id: message.id, value: message.return };
  if ("error" in message) {
    const { id, error } = parse(ErrorReply, message);
    return { kind: "error", id, class: error.class, desc: error.desc };
  }
  if ("QMP" in message) return { kind: "greeting", greeting: parse(Greeting, message).QMP };
  throw new QmpProtocolError(`Expected a QMP message, got members ${Object.keys(message)}`);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function decodeObject(line: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(UTF8.decode(line));
  } catch (cause) {
    throw new QmpProtocolError(`Expected a line of JSON, got ${excerpt(line)}`, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new QmpProtocolError(`Expected a JSON object, got ${excerpt(line)}`);
}

function parse<Schema extends z.ZodType>(schema: Schema, message: object): z.output<Schema> {
  const result = schema.safeParse(message);
  if (result.success) return result.data;
  throw new QmpProtocolError("Failed to read a QMP message", { cause: result.error });
}

function excerpt(line: Uint8Array): string {
  const shown = Buffer.from(line.subarray(0, 80)).toString("latin1");
  return `${JSON.stringify(shown)} (${line.length} bytes)`;
}
