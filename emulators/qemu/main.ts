/** A process that behaves as QEMU towards its parent and its QMP clients. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { constants } from "node:os";
import { createRealClock } from "./clock.ts";
import { listenForFaults } from "./control.ts";
import { completeKnobs, type Knobs } from "./knobs.ts";
import { createModelQemu, type ModelQemu } from "./machine.ts";
import { OptionError, type Options, parseOptions } from "./options.ts";
import { createTcpNetwork } from "./stream/tcp-network.ts";

const PROGRAM = "qemu-system-x86_64";

function main(): void {
  const words = process.argv.slice(2);
  const options = parseOptions(PROGRAM, words);
  const knobs = readKnobs(options);
  if (options.showsVersion) {
    const { version, package: text } = completeKnobs(knobs);
    process.stdout.write(`QEMU emulator version ${version}${text ? ` (${text})` : ""}\n`);
    process.stdout.write(
      "Copyright (c) 2003-2025 Fabrice Bellard and the QEMU Project developers\n",
    );
    return;
  }
  const servers: Server[] = [];
  const serial = options.serialFile === undefined ? undefined : openSync(options.serialFile, "w");
  const end = (code: number): void => {
    for (const server of servers) server.close();
    for (const { path } of options.monitors) removeFile(path);
    if (options.pidFile !== undefined) removeFile(options.pidFile);
    if (serial !== undefined) closeSync(serial);
    // Data that was written to sockets is sent first.
    setTimeout(() => {
      if (code === 128 + constants.signals.SIGABRT) process.abort();
      process.exit(code);
    }, 5);
  };
  const qemu = createModelQemu({
    arguments: words,
    knobs,
    clock: createRealClock(),
    network: createTcpNetwork(),
    host: {
      pid: process.pid,
      ...(serial === undefined ? {} : { onSerial: (text) => void writeSync(serial, text) }),
      onStderr: (line) => void process.stderr.write(`${line}\n`),
      onLog: (line, path) => writeLog(line, path ?? options.logFile),
      onExit: end,
      readFile: (path) => {
        try {
          return readFileSync(path, "utf8");
        } catch {
          return undefined;
        }
      },
      holdFile: (path) => {
        // The kernel closes it. QEMU refuses a missing file; the model's guests need none.
        if (existsSync(path)) openSync(path, "r");
      },
    },
  });
  for (const { path } of options.monitors) servers.push(serveQmp(qemu, path));
  if (knobs.control !== undefined) servers.push(listenForFaults(knobs.control, qemu));
  if (options.pidFile !== undefined) writeFileSync(options.pidFile, `${process.pid}\n`);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      process.stderr.write(`${PROGRAM}: terminating on signal ${constants.signals[signal]}\n`);
      qemu.terminate();
    });
  }
}

/** A monitor serves one client at a time; the next waits until the first has disconnected. */
function serveQmp(qemu: ModelQemu, path: string): Server {
  removeFile(path);
  const server = createServer((socket) => {
    socket.setEncoding("utf8");
    socket.on("error", () => {});
    const connection = qemu.connect({
      send: (text) => {
        if (socket.writable) socket.write(text);
      },
      close: () => void socket.end(),
    });
    socket.on("data", (chunk) => connection.receive(String(chunk)));
    socket.on("close", () => connection.disconnect());
  });
  server.listen(path);
  return server;
}

/** Knobs come as JSON in the environment, or one by one as `-global model.NAME=VALUE`. */
function readKnobs(options: Options): Partial<Knobs> {
  const text = process.env.QEMU_MODEL;
  const knobs: Record<string, unknown> = text ? JSON.parse(text) : {};
  for (const [name, value] of Object.entries(options.globals)) {
    const knob = /^model\.(.+)$/.exec(name)?.[1];
    if (knob === undefined) continue;
    try {
      knobs[knob] = JSON.parse(value);
    } catch {
      knobs[knob] = value;
    }
  }
  if (knobs.version !== undefined) knobs.version = String(knobs.version);
  return knobs as Partial<Knobs>;
}

function writeLog(line: string, path: string | undefined): void {
  if (path === undefined) process.stderr.write(`${line}\n`);
  else appendFileSync(path, `${line}\n`);
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The file did not exist.
  }
}

try {
  main();
} catch (error) {
  const text =
    error instanceof OptionError ? error.message : `${PROGRAM}: ${(error as Error).stack}`;
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
