import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { freePorts, incomingUri, listenInRange, whyNotListening } from "./port-range.ts";

const HOST = "127.0.0.1";
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, resolve);
  });
  servers.push(server);
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("Expected a TCP port");
  return bound.port;
}

describe("D: the ports of migrations", () => {
  it("takes the next port when one is in use", async () => {
    const min = await listen(0);
    const port = await listenInRange({ min, max: min + 20 }, HOST, listen);
    expect(port).toBeGreaterThan(min);
  });

  it("names the range and the setting when no port is free", async () => {
    const taken = await listen(0);
    const range = { min: taken, max: taken };
    await expect(listenInRange(range, HOST, listen)).rejects.toThrow(
      `Expected a free port of ${taken} to ${taken} on ${HOST}, got none: wait until a migration`,
    );
  });

  it("reports another error at once", async () => {
    const range = { min: 49_152, max: 49_215 };
    await expect(freePorts(range, "192.0.2.1", 1)).rejects.toThrow("EADDRNOTAVAIL");
  });

  it("a host that cannot listen says why before the agreement", async () => {
    const range = { min: 49_152, max: 49_215 };
    expect(await whyNotListening(range, "192.0.2.1")).toContain("EADDRNOTAVAIL");
    expect(await whyNotListening({ min: 0, max: 0 }, HOST)).toBeUndefined();
  });

  it("finds as many ports as are needed at once, and leaves them free", async () => {
    const ports = await freePorts({ min: 0, max: 0 }, HOST, 2);
    expect(new Set(ports).size).toBe(2);
    for (const port of ports) await listen(port);
  });

  it.each([
    [{ min: 49_152, max: 49_215 }, "192.0.2.1", "tcp:192.0.2.1:49152,to=49215"],
    [{ min: 49_152, max: 49_215 }, "2001:db8::1", "tcp:[2001:db8::1]:49152,to=49215"],
    [{ min: 0, max: 0 }, "127.0.0.1", "tcp:127.0.0.1:0"],
  ])("QEMU is given the range %j", (range, address, uri) => {
    expect(incomingUri(range, address)).toBe(uri);
  });
});
