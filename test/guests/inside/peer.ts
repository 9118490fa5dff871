import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

/**
 * The guests' peer. Runs as `peer.ts ADDRESS PORT`; prints each line of a guest as JSON with the time
 * at which it came, and echoes the number of each tick. A line on its input, such as `17 finish`, is
 * written to that guest.
 */
const [address = "", port = ""] = process.argv.slice(2);
const guests = new Map<string, Socket>();

const server = createServer({ noDelay: true }, (socket) => {
  let guest = "";
  let rest = "";
  socket.on("data", (data) => {
    const atMs = Number(process.hrtime.bigint()) / 1e6;
    const lines = (rest + data.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, hello] = /^hello (\d+)$/.exec(line) ?? [];
      if (hello !== undefined) {
        guest = hello;
        guests.set(guest, socket);
      }
      print({ guest, atMs, line });
    }
    const [, seq] = /^tick (\d+) /.exec(lines.at(-1) ?? "") ?? [];
    if (seq !== undefined) socket.write(`echo ${seq}\n`);
  });
  const ended = (how: string) => print({ guest, atMs: performance.now(), line: `closed ${how}` });
  socket.on("error", (error) => ended(error.message));
  socket.on("end", () => ended("by the guest"));
});
server.listen(Number(port), address, () => print({ guest: "", atMs: 0, line: "ready" }));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [guest = "", ...words] = line.split(" ");
    guests.get(guest)?.write(`${words.join(" ")}\n`);
  })
  .on("close", () => process.exit());

function print(message: { guest: string; atMs: number; line: string }): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
