import { createServer } from "node:net";

const ATTEMPTS_MAX = 50;
/** Below the ports that the system assigns by itself. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;

/**
 * The first of five free ports in a row: what the local cloud takes. SWITCHYARD_PORT names it
 * instead, for a service that must know it before the cloud starts.
 *
 * @throws Error when there are none to be found.
 */
export async function freeBasePort(): Promise<number> {
  const given = process.env.SWITCHYARD_PORT;
  if (given !== undefined) return Number(given);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const base = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const free = await Promise.all([0, 1, 2, 3, 4].map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error(
    `Expected five free ports in a row between ${FIRST_PORT} and ${FIRST_PORT + PORTS}`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
