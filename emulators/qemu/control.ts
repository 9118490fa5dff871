import { unlinkSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { createInterface } from "node:readline";
import type { Fault } from "./faults.ts";
import type { ModelQemu } from "./machine.ts";

/**
 * A unix socket that takes faults for a running model: one fault as JSON per line, answered by `ok`
 * or by the error.
 */
export function listenForFaults(path: string, qemu: ModelQemu): Server {
  try {
    unlinkSync(path);
  } catch {
    // The file did not exist.
  }
  const server = createServer((socket) => {
    socket.on("error", () => {});
    createInterface({ input: socket }).on("line", (line) => {
      try {
        qemu.fault(JSON.parse(line) as Fault);
        socket.write("ok\n");
      } catch (error) {
        socket.write(`${(error as Error).message}\n`);
      }
    });
  });
  server.listen(path);
  return server;
}
