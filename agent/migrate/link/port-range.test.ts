import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { listenInRange } from "./port-range.ts";

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

  it("takes the next port when another process was faster", async () => {
    const tried: number[] = [];
    const min = await listen(0);
    const port = await listenInRange({ min, max: min + 20 }, HOST, async (candidate) => {
      tried.push(candidate);
      if (tried.length === 1) throw new Error("Failed to bind socket: Address already in use");
      return candidate;
    });
    expect(tried).toHaveLength(2);
    expect(port).toBe(tried[1]);
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
    await expect(listenInRange(range, "192.0.2.1", listen)).rejects.toThrow("EADDRNOTAVAIL");
  });
});
