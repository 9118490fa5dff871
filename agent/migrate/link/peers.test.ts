import { once } from "node:events";
import { connect, createServer } from "node:net";
import { expect, it } from "vitest";
import { connectedPeers, plainAddress } from "./peers.ts";

it("finds a peer of a real port", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("Expected a TCP port");
  const peers = () => connectedPeers(bound.address, bound.port);
  expect(await peers()).toEqual([]);
  const accepted = once(server, "connection");
  const stranger = connect({ port: bound.port, host: "127.0.0.1", localAddress: "127.0.0.3" });
  await accepted;
  expect(await peers()).toEqual(["127.0.0.3"]);
  expect(await connectedPeers("localhost", bound.port)).toEqual(["127.0.0.3"]);
  stranger.destroy();
  server.close();
});

it("writes a mapped address as IPv4", () => {
  expect(plainAddress("::ffff:127.0.0.1")).toBe("127.0.0.1");
  expect(plainAddress("2001:db8::2")).toBe("2001:db8::2");
});
