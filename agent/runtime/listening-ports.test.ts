import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, it } from "vitest";
import { listeningPorts } from "./listening-ports.ts";

it.each(["127.0.0.1", "::1"])(
  "finds the ports of a process while it listens on %s",
  async (host) => {
    const server = createServer().listen(0, host);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect(listeningPorts(process.pid)).toContain(port);
    expect(listeningPorts(process.ppid)).not.toContain(port);
    server.close();
    await once(server, "close");
    expect(listeningPorts(process.pid)).not.toContain(port);
  },
);

it("finds none without a process", () => {
  expect(listeningPorts(undefined)).toEqual([]);
  expect(listeningPorts(2 ** 30)).toEqual([]);
});
