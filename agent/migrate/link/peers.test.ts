import { once } from "node:events";
import { connect, createServer } from "node:net";
import { expect, it } from "vitest";
import { connectedPeers, peersIn, plainAddress } from "./peers.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const REST = "00000000:00000000 00:00000000 00000000     0        0 123 1 0000000000000000 100 0 0";
const line = (local: string, remote: string, state: string) =>
  `   0: ${local} ${remote} ${state} ${REST}`;

it("reads the peers of one port from /proc/net/tcp", () => {
  const table = [
    HEAD,
    line("0100007F:C000", "00000000:0000", "0A"), // listens
    line("0100007F:C000", "0200007F:9C40", "01"), // connected
    line("0100007F:C000", "0A0200C0:9C41", "08"), // the peer has closed
    line("0100007F:C000", "0300007F:9C42", "06"), // TIME_WAIT
    line("0100007F:C001", "0400007F:9C43", "01"), // another port
    line("0200007F:9C40", "0100007F:C000", "01"), // the peer's own end
    "",
  ].join("\n");
  expect(peersIn(table, 49_152)).toEqual(["127.0.0.2", "192.0.2.10"]);
});

it("reads the peers of one port from /proc/net/tcp6", () => {
  const local = "B80D0120000000000000000001000000:C000";
  const table = [
    HEAD,
    line(local, "B80D0120000000000000000002000000:9C40", "01"),
    line(local, "0000000000000000FFFF0000090200C0:9C41", "01"),
  ].join("\n");
  expect(peersIn(table, 49_152)).toEqual(["2001:db8::2", "192.0.2.9"]);
});

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
