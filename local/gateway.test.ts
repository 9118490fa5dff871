import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { serverLimits } from "../emulators/aws/http/loopback.ts";
import { type Gateway, startGateway } from "./gateway.ts";

const BROKEN = 900;
const limits = {
  ...serverLimits,
  headersTimeout: 1_000,
  requestTimeout: 2_000,
  connectionsCheckingInterval: 500,
};

let gateway: Gateway;

beforeEach(async () => {
  const answers = { fetch: () => new Response("answer") };
  gateway = await startGateway({
    api: answers,
    agents: answers,
    dashboard: answers,
    port: 0,
    limits,
  });
});
afterEach(() => gateway.close());

/** What the gateway answered, once it has closed the connection. */
async function sendBroken(text: string): Promise<string> {
  const socket: Socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (data) => {
    answer += data;
  });
  // A reset closes it just as well.
  socket.on("error", () => {});
  if (text !== "") socket.write(text);
  await once(socket, "close");
  return answer.slice(0, answer.indexOf("\r\n"));
}

const TOO_LATE = "HTTP/1.1 408 Request Timeout";
const BAD = "HTTP/1.1 400 Bad Request";
const broken: [text: string, answer: string][] = [
  ["", TOO_LATE],
  ["GET /v1/health HTTP/1.1\r\nhost: 127", TOO_LATE],
  ["POST /v1/vms HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\n{", TOO_LATE],
  ["\u0016\u0003\u0001\u0002 a TLS hello\r\n\r\n", BAD],
  ["GET /v1/health HTTP/1.1\r\nhost 127.0.0.1\r\n\r\n", BAD],
];

describe("the gateway", () => {
  it(`answers and closes ${BROKEN} broken connections, and serves others meanwhile`, async () => {
    const kinds = Array.from({ length: BROKEN }, (_, index) => broken[index % broken.length]);
    const answers = Promise.all(kinds.map((kind) => sendBroken(kind?.[0] ?? "")));
    expect(await (await fetch(gateway.url)).text()).toBe("answer");
    const found = await answers;
    // A request whose body never ends may have been answered before its time is over.
    const wrong = found.filter((line, index) => {
      const expected = kinds[index]?.[1];
      return line !== expected && line !== "HTTP/1.1 200 OK";
    });
    expect(wrong).toEqual([]);
  }, 30_000);

  it("closes broken connections within 35 s with the limits that it has by itself", () => {
    const { requestTimeout, connectionsCheckingInterval } = serverLimits;
    expect(requestTimeout + connectionsCheckingInterval).toBeLessThanOrEqual(35_000);
  });
});
