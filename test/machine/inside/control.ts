import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream, readFileSync, writeSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { StringDecoder } from "node:string_decoder";
import type { Event, Request } from "../protocol.ts";

/**
 * The first program of L1: performs requests of the machine outside over a virtio serial port (see
 * ../protocol.ts). Runs as `control.ts PORT`.
 */

type SpawnRequest = Extract<Request, { op: "spawn" }>;

const children = new Map<number, ChildProcess>();

async function main(portPath: string): Promise<void> {
  const port = await open(portPath, "r+");
  const send = (event: Event) => {
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    for (let sent = 0; sent < line.length; ) sent += writeSync(port.fd, line, sent);
  };
  const uptimeMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
  send({ event: "ready", uptimeMs });
  // The reader occupies one thread of the pool: a read of the port blocks until a line arrives.
  const input = createReadStream(portPath, { fd: port.fd, autoClose: false });
  for await (const line of createInterface({ input })) {
    const request = JSON.parse(line) as Request;
    if (request.op === "stop") break;
    void answer(request, send);
  }
  for (const child of children.values()) killGroup(child, "SIGKILL");
}

async function answer(request: Request, send: (event: Event) => void): Promise<void> {
  const { id } = request;
  try {
    const text = await perform(request, send);
    send({ event: "done", id, ...(text === undefined ? {} : { text }) });
  } catch (error) {
    send({ event: "error", id, message: error instanceof Error ? error.message : String(error) });
  }
}

async function perform(
  request: Request,
  send: (event: Event) => void,
): Promise<string | undefined> {
  switch (request.op) {
    case "spawn":
      return await start(request, send);
    case "kill": {
      const child = children.get(request.target);
      if (child !== undefined) killGroup(child, request.signal);
      return undefined;
    }
    case "read":
      return await readFile(request.path, "utf8");
    case "write":
      return await write(request.path, request.text);
    case "stop":
      return undefined;
  }
}

async function start(request: SpawnRequest, send: (event: Event) => void): Promise<undefined> {
  const [program = "", ...args] = request.argv;
  const child = spawn(program, args, {
    cwd: request.cwd,
    env: { ...process.env, ...request.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a group of its own, so that killing it takes its children along
  });
  await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  children.set(request.id, child);
  const deadline = setTimeout(() => killGroup(child, "SIGKILL"), request.deadlineMs);
  for (const stream of ["stdout", "stderr"] as const) {
    const decoder = new StringDecoder("utf8");
    child[stream].on("data", (chunk: Buffer) => {
      send({ event: "output", id: request.id, stream, text: decoder.write(chunk) });
    });
  }
  child.once("close", (code, signal) => {
    clearTimeout(deadline);
    children.delete(request.id);
    send({ event: "exit", id: request.id, code, signal });
  });
}

/** Writes in place, as sysfs requires; creates the file when there is none. */
async function write(path: string, text: string): Promise<undefined> {
  const file = await open(path, "w");
  try {
    await file.write(text);
  } finally {
    await file.close();
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended by itself.
  }
}

await main(process.argv[2] ?? "");
// A plain exit would wait for the reader's thread, which blocks until a line arrives.
process.kill(process.pid, "SIGKILL");
