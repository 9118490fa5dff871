import { QmpError } from "./command.ts";
import { fromText, isObject, type Json, type JsonObject } from "./text.ts";

/** A message that can be executed, or the error to answer. */
export type Request =
  | { readonly message: JsonObject }
  | { readonly refused: JsonObject; readonly problem: QmpError };

/** Parses one message as QEMU's dispatcher does, with its error texts. */
export function readRequest(text: string, hasOob: boolean): Request {
  let message: Json;
  try {
    message = fromText(text);
  } catch {
    const word = /^[a-z]+/i.exec(text)?.[0];
    const what = word === undefined ? "expecting value" : `invalid keyword '${word}'`;
    return refuse({}, `JSON parse error, ${what}`);
  }
  if (!isObject(message)) return refuse({}, "QMP input must be a JSON object");
  for (const [name, value] of Object.entries(message)) {
    const problem = checkMember(name, value, hasOob);
    if (problem !== undefined) return refuse(message, `QMP input member '${name}' ${problem}`);
  }
  if ("execute" in message && "exec-oob" in message) {
    return refuse(message, "QMP input member 'execute' clashes with 'exec-oob'");
  }
  if (!("execute" in message) && !("exec-oob" in message)) {
    return refuse(message, "QMP input lacks member 'execute'");
  }
  return { message };
}

function checkMember(name: string, value: Json, hasOob: boolean): string | undefined {
  if (name === "id") return undefined;
  if (name === "execute" || (name === "exec-oob" && hasOob)) {
    return typeof value === "string" ? undefined : "must be a string";
  }
  if (name !== "arguments") return "is unexpected";
  return isObject(value) ? undefined : "must be an object";
}

function refuse(refused: JsonObject, text: string): Request {
  return { refused, problem: new QmpError(text) };
}
