/** A JSON value; integers beyond 2^53 are bigint. */
export type Json =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [name: string]: Json };

export type JsonObject = { readonly [name: string]: Json };

/** Writes a value as QEMU does: a space after each comma and colon, integers in full. */
export function toText(value: Json): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return toAscii(JSON.stringify(value));
  if (typeof value !== "object") return JSON.stringify(value);
  if (isList(value)) return `[${value.map(toText).join(", ")}]`;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${toText(name)}: ${toText(member)}`).join(", ")}}`;
}

/**
 * Parses one JSON text; integers beyond 2^53 become bigint.
 *
 * @throws SyntaxError
 */
export function fromText(text: string): Json {
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: Json, context: { source?: string }) => Json,
  ) => Json;
  return parse(text, (_key, value, context) => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    return context.source && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
  });
}

export function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !isList(value);
}

export function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** A message longer than this ends the connection, as in QEMU. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Cuts a byte stream into JSON texts: a text ends with the bracket that closes it, so that
 * messages need no newline between them. Text outside of brackets ends with the line.
 */
export function createTextSplitter(onText: (text: string) => void): (chunk: string) => void {
  let pending = "";
  let scanned = 0;
  let depth = 0;
  let inString = false;
  const cut = (end: number): void => {
    const text = pending.slice(0, end).trim();
    pending = pending.slice(end);
    scanned = 0;
    depth = 0;
    inString = false;
    if (text) onText(text);
  };
  return (chunk) => {
    pending += chunk;
    if (pending.length > TEXT_BYTES_MAX)
      throw new Error("Expected a QMP message of at most 64 MiB");
    while (scanned < pending.length) {
      const character = pending[scanned++];
      if (inString) {
        if (character === "\\") scanned++;
        else if (character === '"') inString = false;
      } else if (character === '"') inString = true;
      else if (character === "{" || character === "[") depth++;
      else if (character === "}" || character === "]") {
        depth--;
        if (depth <= 0) cut(scanned);
      } else if (character === "\n" && depth === 0) cut(scanned);
    }
  };
}

/** QEMU escapes everything beyond ASCII. */
function toAscii(text: string): string {
  return text.replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
  );
}
