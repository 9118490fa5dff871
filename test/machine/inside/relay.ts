import { connect, createServer } from "node:net";

/**
 * Forwards connections from ports of L1's own loopback to the same ports of the machine outside, as
 * `ssh -L` does: what listens there takes only callers that name it by a loopback address. Runs as
 * `relay.ts PORT...` and prints `ready` when all of them listen.
 */

const OUTSIDE = "10.0.2.2";

async function relay(port: number): Promise<void> {
  const server = createServer((socket) => {
    const peer = connect(port, OUTSIDE);
    socket.pipe(peer).pipe(socket);
    socket.on("error", () => peer.destroy());
    peer.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
}

await Promise.all(process.argv.slice(2).map((port) => relay(Number(port))));
process.stdout.write("ready\n");
