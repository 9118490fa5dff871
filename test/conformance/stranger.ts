import { once } from "node:events";
import { connect } from "node:net";

/** A peer that connects to a port and sends nothing. */
export type Stranger = { disconnect(): void };

export async function connectStranger(port: number): Promise<Stranger> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return { disconnect: () => socket.destroy() };
}
