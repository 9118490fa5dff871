import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it, onTestFinished } from "vitest";
import { TLS_OBJECT } from "../../core/negotiate/tls.ts";
import type { ResultOf } from "../../core/protocol/command.ts";
import { Pair, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const encrypted = { parameters: { "tls-creds": TLS_OBJECT }, tls: "psk" } as const;
const LOOK_MS = 20;
/** The agent frees the guest after 3 s. Nothing else would: a stranger stays, a stopped QEMU too. */
const STANDSTILL_MS_MAX = 10_000;

/** TCP connections that send nothing. */
async function beSilent(port: number, count: number, localAddress: string): Promise<void> {
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let index = 0; index < count; index += 1) {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    socket.on("error", () => undefined);
    sockets.push(socket);
    await new Promise<void>((resolve) => socket.once("connect", resolve));
  }
}

const portOf = ({ migrationUri }: ResultOf<"target.prepare">) =>
  Number(migrationUri.split(":").at(-1));

describeOnQemu("the start of a stream that somebody disturbs", (subject) => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  /** Measures until the function that it returns is called: the longest silence of the source's QEMU, ms. */
  function measureSilence(): () => number {
    const { qmp } = pair.source.guests.get(pair.source.vm(VM));
    let longestMs = 0;
    let hasEnded = false;
    const ask = async (): Promise<void> => {
      while (!hasEnded) {
        const startedMs = performance.now();
        await qmp.execute("query-status", {}, { timeoutMs: 60_000 }).catch(() => undefined);
        longestMs = Math.max(longestMs, performance.now() - startedMs);
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    };
    void ask();
    return () => {
      hasEnded = true;
      return longestMs;
    };
  }

  it.each(["127.0.0.1", "127.0.0.9"])(
    "B1: a silent stranger from %s, with TLS: the guest is freed by its agent, and moves",
    async (address) => {
      const prepared = await pair.prepare(undefined, undefined, encrypted);
      await beSilent(portOf(prepared), 1, address);
      const silenceMs = measureSilence();
      await pair.start({ ...encrypted, prepared });
      await pair.hasMoved();
      const longestMs = silenceMs();
      console.log(`B1, stranger from ${address}: QEMU silent for ${Math.round(longestMs)} ms`);
      expect(longestMs).toBeLessThan(STANDSTILL_MS_MAX);
      // The model makes no TLS handshake, so that no stranger can hold it.
      if (subject.isModel) return;
      const restarted = await pair.target.waitFor("migration.restarted");
      expect(restarted.body).toMatchObject({ attempt: 1 });
    },
  );

  it("B1: the target's QEMU is stopped (SIGSTOP) before the stream, with TLS", async () => {
    const prepared = await pair.prepare(undefined, undefined, encrypted);
    process.kill(prepared.pid, "SIGSTOP");
    const silenceMs = measureSilence();
    await pair.start({ ...encrypted, prepared });
    await pair.hasMoved();
    const longestMs = silenceMs();
    console.log(`B1, target stopped: QEMU silent for ${Math.round(longestMs)} ms`);
    expect(longestMs).toBeLessThan(STANDSTILL_MS_MAX);
    await pair.target.waitFor("migration.restarted");
  });

  it("B1: a stranger that sends something else than a stream neither ends nor holds the move", async () => {
    const prepared = await pair.prepare();
    const stranger = connect({ port: portOf(prepared), host: "127.0.0.1" });
    stranger.on("error", () => undefined);
    stranger.end("GET / HTTP/1.1\r\n\r\n".padEnd(4_096, "."));
    await new Promise((resolve) => stranger.once("close", resolve));
    await pair.start({ prepared });
    await pair.hasMoved();
  });

  it("E4: eight silent connections to the handover port neither end nor hold the start", async () => {
    const prepared = await pair.prepare();
    await beSilent(prepared.handover.port, 8, "127.0.0.1");
    await beSilent(prepared.handover.port, 8, "127.0.0.9");
    // Refused after 5 s if the link does not come up.
    await pair.start({ prepared });
    await pair.hasMoved();
  });
});

describeOnQemu("a stream that never gets through", (subject) => {
  /** An address and a range of its own: strangers on all its ports meet nobody else. */
  const address = `127.${(process.pid >> 8) & 255}.${process.pid & 255}.8`;
  const ports = { min: 49_152, max: 49_160 };
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject, { migrationAddress: address, migrationPorts: ports });
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  it("B1: strangers on each port: the target gives up after three attempts, with the reason", async () => {
    await pair.prepare(undefined, undefined, encrypted);
    const strangers: Socket[] = [];
    const timer = setInterval(() => {
      for (let port = ports.min; port <= ports.max; port += 1) {
        const socket = connect({ port, host: address, localAddress: "127.0.0.9" });
        socket.on("error", () => undefined);
        strangers.push(socket);
      }
    }, 5);
    onTestFinished(() => {
      clearInterval(timer);
      for (const socket of strangers) socket.destroy();
    });
    const failed = await pair.target.waitFor("migration.failed");
    const restarts = pair.target.typesOf().filter((type) => type === "migration.restarted").length;
    expect({ ...failed.body, restarts }).toMatchObject({ code: "stream-not-started", restarts: 3 });
    await pair.hasRun(pair.source);
  });
});
