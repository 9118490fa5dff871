/**
 * One QMP connection: greeting, negotiation, then commands in order and out-of-band ones at once.
 * In-band commands wait while the main loop is blocked; events wait with them, with the time stamps
 * of their origin.
 */
import type { MonitorPort, Qemu } from "../qemu.ts";
import { type Commands, checkArguments, Later, QmpError } from "./command.ts";
import { readRequest } from "./request.ts";
import { createTextSplitter, isList, type Json, type JsonObject, toText } from "./text.ts";

export type MonitorConnection = {
  /** Bytes from the client. */
  receive(chunk: string): void;
  /** The client has disconnected. */
  disconnect(): void;
};

export type MonitorClient = {
  send(text: string): void;
  close(): void;
};

type Monitor = {
  readonly qemu: Qemu;
  readonly commands: Commands;
  readonly client: MonitorClient;
  mode: "negotiation" | "command";
  hasOob: boolean;
  /** A command's answer is given later: the next command waits for it. */
  isBusy: boolean;
  readonly inbox: JsonObject[];
  /** Events that wait for the main loop. */
  readonly outbox: string[];
};

/** Opens a monitor; the greeting is sent at once. */
export function openMonitor(
  qemu: Qemu,
  commands: Commands,
  client: MonitorClient,
): MonitorConnection {
  const monitor: Monitor = {
    qemu,
    commands,
    client,
    mode: "negotiation",
    hasOob: false,
    isBusy: false,
    inbox: [],
    outbox: [],
  };
  const port: MonitorPort = {
    event(text) {
      if (monitor.mode === "negotiation") return;
      if (isHeld(qemu)) monitor.outbox.push(text);
      else write(monitor, text);
    },
    wake: () => drain(monitor),
    close: () => client.close(),
  };
  qemu.monitors.add(port);
  greet(monitor);
  return {
    receive: createTextSplitter((text) => take(monitor, text)),
    disconnect: () => qemu.monitors.delete(port),
  };
}

function greet(monitor: Monitor): void {
  const { major, minor, micro, package: text } = monitor.qemu.version;
  const version = { qemu: { micro, minor, major }, package: text };
  write(monitor, toText({ QMP: { version, capabilities: ["oob"] } }));
}

/** Handles a message. */
function take(monitor: Monitor, text: string): void {
  const request = readRequest(text, monitor.hasOob);
  if ("problem" in request) {
    answer(monitor, request.refused, request.problem);
    return;
  }
  const { message } = request;
  if (message["exec-oob"] === undefined) {
    monitor.inbox.push(message);
    drain(monitor);
    return;
  }
  const problem = refuseOob(monitor, String(message["exec-oob"]));
  if (problem) answer(monitor, message, problem);
  else if (isDead(monitor.qemu)) monitor.inbox.push(message);
  else {
    execute(monitor, message);
    monitor.qemu.tasks.poke();
  }
}

/** Processes what waits, as long as the main loop runs. */
function drain(monitor: Monitor): void {
  const { qemu } = monitor;
  if (isHeld(qemu)) return;
  for (const text of monitor.outbox.splice(0)) write(monitor, text);
  while (!isHeld(qemu) && !monitor.isBusy && !qemu.isExited) {
    const message = monitor.inbox.shift();
    if (!message) return;
    execute(monitor, message);
    qemu.tasks.poke();
  }
}

function execute(monitor: Monitor, message: JsonObject): void {
  const result = tryRun(monitor, message);
  if (!(result instanceof Later)) {
    answer(monitor, message, result);
    return;
  }
  monitor.isBusy = true;
  result.start((late) => {
    monitor.isBusy = false;
    answer(monitor, message, late);
    drain(monitor);
  });
}

function tryRun(monitor: Monitor, message: JsonObject): Json | Later | QmpError {
  try {
    return run(monitor, message);
  } catch (error) {
    if (error instanceof QmpError) return error;
    throw error;
  }
}

function run(monitor: Monitor, message: JsonObject): Json | Later {
  const { qemu, commands } = monitor;
  const name = String(message.execute ?? message["exec-oob"]);
  const given = (message.arguments ?? {}) as JsonObject;
  if (name === "qmp_capabilities") return negotiate(monitor, given);
  if (monitor.mode === "negotiation") {
    throw notFound("Expecting capabilities negotiation with 'qmp_capabilities'");
  }
  const command = commands[name];
  if (!command) throw notFound(`The command ${name} has not been found`);
  if (command.arguments !== "open") checkArguments(qemu.version, command.arguments, given);
  return command.run(qemu, given);
}

function negotiate(monitor: Monitor, given: JsonObject): Json {
  if (monitor.mode === "command") {
    throw notFound("Capabilities negotiation is already complete, command ignored");
  }
  const { enable } = given;
  checkArguments(
    monitor.qemu.version,
    { enable: { type: { list: ["oob"] }, optional: true } },
    given,
  );
  monitor.hasOob = enable !== undefined && isList(enable) && enable.includes("oob");
  monitor.mode = "command";
  return {};
}

function answer(monitor: Monitor, message: JsonObject, result: Json | QmpError): void {
  const id = "id" in message ? { id: message.id } : {};
  if (!(result instanceof QmpError)) {
    write(monitor, toText({ return: result ?? {}, ...id }));
    return;
  }
  const error = { class: result.errorClass, desc: result.message };
  write(monitor, toText({ ...id, error }));
}

function write({ client }: Monitor, text: string): void {
  client.send(`${text}\r\n`);
}

function refuseOob({ commands }: Monitor, name: string): QmpError | undefined {
  const command = commands[name];
  if (!command) return notFound(`The command ${name} has not been found`);
  if (command.allowsOob) return undefined;
  return new QmpError(`The command ${name} does not support OOB`);
}

/** Whether in-band commands and events must wait. */
function isHeld(qemu: Qemu): boolean {
  return qemu.isFrozen || qemu.mainLoopHolders.size > 0;
}

/** Whether nothing is answered, in band or out of band. */
function isDead(qemu: Qemu): boolean {
  return qemu.isFrozen || qemu.mainLoopHolders.has("fault");
}

function notFound(text: string): QmpError {
  return new QmpError(text, "CommandNotFound");
}
