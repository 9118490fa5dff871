/**
 * One QMP connection: greeting, negotiation, then commands in order and out-of-band ones at once.
 * In-band commands wait while the main loop does not run; events wait with them, and keep the
 * time at which they happened.
 */
import type { MonitorPort, Qemu } from "../qemu.ts";
import { type Commands, checkArguments, Later, QmpError } from "./command.ts";
import {
  createTextSplitter,
  fromText,
  isObject,
  type Json,
  type JsonObject,
  toText,
} from "./text.ts";

export interface MonitorConnection {
  /** Bytes from the client. */
  receive(chunk: string): void;
  /** The client is gone. */
  disconnect(): void;
}

/** Opens a monitor; the greeting is sent at once. */
export function openMonitor(
  qemu: Qemu,
  commands: Commands,
  client: { send(text: string): void; close(): void },
): MonitorConnection {
  let mode: "negotiation" | "command" = "negotiation";
  let hasOob = false;
  let isBusy = false;
  const inbox: JsonObject[] = [];
  const outbox: string[] = [];

  const isHeld = (): boolean => qemu.isFrozen || qemu.mainLoopHolders.size > 0;
  const write = (text: string): void => client.send(`${text}\r\n`);
  const answer = (request: JsonObject, result: Json | QmpError): void => {
    const id = "id" in request ? { id: request.id } : {};
    if (!(result instanceof QmpError)) {
      write(toText({ return: result ?? {}, ...id }));
      return;
    }
    const error = { class: result.errorClass, desc: result.message };
    write(toText({ ...id, error }));
  };

  const execute = (request: JsonObject): void => {
    const result = tryRun(request);
    if (!(result instanceof Later)) {
      answer(request, result);
      return;
    }
    isBusy = true;
    result.start((later) => {
      isBusy = false;
      answer(request, later);
      drain();
    });
  };
  const tryRun = (request: JsonObject): Json | Later | QmpError => {
    try {
      return run(request);
    } catch (error) {
      if (error instanceof QmpError) return error;
      throw error;
    }
  };
  const run = (request: JsonObject): Json | Later => {
    const name = String(request.execute ?? request["exec-oob"]);
    const given = (request.arguments ?? {}) as JsonObject;
    if (mode === "negotiation" || name === "qmp_capabilities") return negotiate(name, given);
    const command = commands[name];
    if (!command) throw notFound(`The command ${name} has not been found`);
    if (command.arguments !== "open") checkArguments(qemu.version, command.arguments, given);
    return command.run(qemu, given);
  };
  const negotiate = (name: string, given: JsonObject): Json => {
    if (name !== "qmp_capabilities") {
      throw notFound("Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    if (mode === "command") {
      throw notFound("Capabilities negotiation is already complete, command ignored");
    }
    const wanted = { type: { list: ["oob"] }, optional: true } as const;
    checkArguments(qemu.version, { enable: wanted }, given);
    hasOob = Array.isArray(given.enable) && given.enable.includes("oob");
    mode = "command";
    return {};
  };

  const drain = (): void => {
    if (isHeld()) return;
    for (const text of outbox.splice(0)) write(text);
    while (!isHeld() && !isBusy && !qemu.isExited) {
      const request = inbox.shift();
      if (!request) return;
      execute(request);
      qemu.tasks.poke();
    }
  };

  const take = (text: string): void => {
    const request = readRequest(text, hasOob);
    if ("error" in request) {
      answer(request.error.request, request.error.problem);
      return;
    }
    const oobName = request.message["exec-oob"];
    if (oobName === undefined) {
      inbox.push(request.message);
      drain();
      return;
    }
    if (commands[String(oobName)]?.allowsOob !== true) {
      const known = commands[String(oobName)];
      answer(
        request.message,
        known
          ? new QmpError(`The command ${oobName} does not support OOB`)
          : notFound(`The command ${oobName} has not been found`),
      );
      return;
    }
    if (qemu.isFrozen || qemu.mainLoopHolders.has("fault")) {
      inbox.push(request.message);
      return;
    }
    execute(request.message);
    qemu.tasks.poke();
  };

  const port: MonitorPort = {
    event(text) {
      if (mode === "negotiation") return;
      if (isHeld()) outbox.push(text);
      else write(text);
    },
    wake: drain,
    close: () => client.close(),
  };
  qemu.monitors.add(port);
  const { major, minor, micro } = qemu.version;
  const version = { qemu: { micro, minor, major }, package: qemu.version.package };
  write(toText({ QMP: { version, capabilities: ["oob"] } }));
  return {
    receive: createTextSplitter(take),
    disconnect: () => qemu.monitors.delete(port),
  };
}

type Request =
  | { readonly message: JsonObject }
  | { readonly error: { readonly request: JsonObject; readonly problem: QmpError } };

/** Reads one message as QEMU's dispatcher does. */
function readRequest(text: string, hasOob: boolean): Request {
  const refuse = (problem: string, request: JsonObject = {}): Request => ({
    error: { request, problem: new QmpError(problem) },
  });
  let message: Json;
  try {
    message = fromText(text);
  } catch {
    const word = /^[a-z]+/i.exec(text)?.[0];
    return refuse(
      word ? `JSON parse error, invalid keyword '${word}'` : "JSON parse error, expecting value",
    );
  }
  if (!isObject(message)) return refuse("QMP input must be a JSON object");
  const request = message;
  const fail = (problem: string): Request => refuse(problem, request);
  for (const [name, value] of Object.entries(request)) {
    if (name === "id") continue;
    if (name === "execute" || (name === "exec-oob" && hasOob)) {
      if (typeof value !== "string") return fail(`QMP input member '${name}' must be a string`);
    } else if (name === "arguments") {
      if (!isObject(value)) return fail("QMP input member 'arguments' must be an object");
    } else return fail(`QMP input member '${name}' is unexpected`);
  }
  if ("execute" in request && "exec-oob" in request) {
    return fail("QMP input member 'execute' clashes with 'exec-oob'");
  }
  if (!("execute" in request) && !("exec-oob" in request)) {
    return fail("QMP input lacks member 'execute'");
  }
  return { message: request };
}

function notFound(text: string): QmpError {
  return new QmpError(text, "CommandNotFound");
}
