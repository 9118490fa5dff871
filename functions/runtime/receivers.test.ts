import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { postWebhook } from "./post-webhook.ts";
import type { Receivers } from "./receiver-kinds.ts";
import { isAllowed, requireReceiver } from "./receivers.ts";

const elsewhere = [
  "0.0.0.0",
  "169.254.169.254",
  "192.0.2.1",
  "198.18.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "::",
  "fe80::1",
  "ff02::1",
  "64:ff9b::a00:1",
  "2002:a00:1::",
  "2001::1",
  "::ffff:169.254.169.254",
];
const inside = [
  "10.0.0.1",
  "172.16.9.9",
  "192.168.1.1",
  "100.64.0.1",
  "fd00::1",
  "::ffff:10.0.0.1",
];
const own = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"];
const outside = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"];

describe("the addresses of receivers", () => {
  it.each<[Receivers, string[]]>([
    ["public", outside],
    ["private", [...inside, ...outside]],
    ["loopback", [...own, ...outside]],
  ])("with %s are these and no others", (receivers, allowed) => {
    const all = [...elsewhere, ...inside, ...own, ...outside];
    const found = all.filter((address) => isAllowed(address, receivers));
    expect(found.toSorted()).toEqual(allowed.toSorted());
  });

  it.each<[Receivers, string]>([
    ["public", "http://example.org/"],
    ["public", "https://127.0.0.1/"],
    ["public", "https://[::1]/"],
    ["public", "https://2130706433/"],
    ["public", "https://0x7f.1/"],
    ["private", "http://10.0.0.1/"],
    ["private", "https://169.254.169.254/latest/meta-data"],
    ["loopback", "http://example.org/"],
    ["loopback", "http://localhost/"],
    ["loopback", "https://10.0.0.1/"],
  ])("with %s are not in %s", (receivers, url) => {
    expect(() => requireReceiver(new URL(url), receivers)).toThrow(/Expected|may be delivered/);
  });
});

describe("a try", () => {
  const servers: { close(): void }[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Answers each connection with these parts, and leaves it open. */
  async function serve(...parts: string[]): Promise<{ port: number; connections: () => number }> {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.on("error", () => undefined);
      for (const part of parts) socket.write(part);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("Expected a port");
    return { port: address.port, connections: () => connections };
  }

  const post = (url: string, receivers: Receivers, msMax = 2_000) =>
    postWebhook({ url, id: "evt_1", body: "{}", secrets: ["whsec_AAAA"], receivers, msMax });

  it("does not connect to a name that leads to a forbidden address", async () => {
    const { port, connections } = await serve();
    const tried = post(`https://localhost:${port}/`, "public");
    await expect(tried).rejects.toThrow("localhost (");
    expect(connections()).toBe(0);
  });

  it("ends when no answer comes, or only a part of it", async () => {
    for (const part of ["", "HTTP/1.1 200 OK\r\nx-slow: "]) {
      const { port } = await serve(part);
      await expect(post(`http://127.0.0.1:${port}/`, "loopback", 100)).rejects.toThrow();
    }
  });

  it("takes the status of an answer that does not end, and the beginning of a long one", async () => {
    const head = "HTTP/1.1 500 Oops\r\ncontent-length: 10000000\r\n\r\n";
    const short = await serve(head, "why");
    const url = `http://127.0.0.1:${short.port}/`;
    expect(await post(url, "loopback", 500)).toMatchObject({ status: 500, answer: "why" });
    const long = await serve(head, "x".repeat(200_000));
    const { answer } = await post(`http://127.0.0.1:${long.port}/`, "loopback");
    expect(answer).toBe("x".repeat(1_000));
  });

  it("refuses an answer with very long headers", async () => {
    const { port } = await serve(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}\r\n\r\n`);
    await expect(post(`http://127.0.0.1:${port}/`, "loopback")).rejects.toThrow(/[Hh]eader/);
  });
});
