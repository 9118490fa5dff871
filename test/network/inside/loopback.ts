import { connect, createServer } from "node:net";

/**
 * Forwards connections from ports of this namespace's loopback to UNIX sockets. Runs as
 * `loopback.ts PORT PATH...` and prints `ready` when all of them listen.
 */
async function forward(port: number, path: string): Promise<void> {
  const server = createServer((socket) => {
    const other = connect(path);
    socket.pipe(other).pipe(socket);
    socket.on("error", () => other.destroy());
    other.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
}

const words = process.argv.slice(2);
const pairs = words.flatMap((port, index) =>
  index % 2 === 0 ? [forward(Number(port), words[index + 1] ?? "")] : [],
);
await Promise.all(pairs);
process.stdout.write("ready\n");
