import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { QmpClient } from "../../qmp/client.ts";
import { testFolder } from "../testing/folder.ts";
import { setGuestClock } from "./guest-agent.ts";

const CHARDEV = "qga";
const ENOUGH_MS = 5_000;

/** The peer of the channel: it speaks as qemu-ga does, of a guest whose clock is off. */
class Speaker {
  readonly asked: string[] = [];
  clockNs = 0n;
  /** Written before each answer to a synchronization. */
  leftOver = "";
  isSilent = false;
  refusal: string | undefined;
  readonly #server: Server;
  readonly path = join(testFolder(), "qga.sock");

  constructor() {
    this.#server = createServer((socket) => {
      socket.on("data", (chunk: Buffer) => {
        for (const line of chunk.toString("latin1").split("\n").filter(Boolean)) {
          if (!this.isSilent) socket.write(this.#answer(line.replace("\u00ff", "")));
        }
      });
      socket.on("error", () => undefined);
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.path, resolve));
  }

  close(): void {
    this.#server.close();
  }

  #answer(line: string): Buffer {
    if (line === "") return Buffer.alloc(0);
    this.asked.push(line);
    const { execute, arguments: args } = JSON.parse(line);
    const text = (value: unknown) => `${JSON.stringify({ return: value })}\n`;
    if (execute === "guest-sync-delimited") {
      return Buffer.concat([
        Buffer.from(this.leftOver),
        Buffer.from([0xff]),
        Buffer.from(text(args.id)),
      ]);
    }
    if (execute === "guest-get-time") return Buffer.from(`{"return": ${this.clockNs}}\n`);
    if (this.refusal !== undefined) {
      const error = { class: "GenericError", desc: this.refusal };
      return Buffer.from(`${JSON.stringify({ error })}\n`);
    }
    this.clockNs = BigInt(/"time":(\d+)/.exec(line)?.[1] ?? "0");
    return Buffer.from(text({}));
  }
}

describe("a guest's clock", () => {
  let speaker: Speaker | undefined;
  afterEach(() => speaker?.close());

  async function speaking(): Promise<Speaker> {
    speaker = new Speaker();
    await speaker.listen();
    return speaker;
  }

  const set = (filename: string, timeoutMs = ENOUGH_MS) => {
    const execute = async () => [{ label: CHARDEV, filename, "frontend-open": true }];
    return setGuestClock({ execute } as unknown as QmpClient, CHARDEV, timeoutMs);
  };
  const channel = ({ path }: Speaker) => `disconnected:unix:${path},server=on`;

  it("is set to the host's, to the millisecond", async () => {
    const guest = await speaking();
    const wrongNs = BigInt(Date.now() - 86_400_000) * 1_000_000n;
    guest.clockNs = wrongNs;
    const fromMs = Date.now();
    const { beforeMs, afterMs } = await set(channel(guest));
    const untilMs = Date.now();
    expect(guest.clockNs % 1_000_000n).toBe(0n);
    const setMs = Number(guest.clockNs / 1_000_000n);
    expect(setMs).toBeGreaterThanOrEqual(fromMs);
    expect(setMs).toBeLessThanOrEqual(untilMs);
    // The guest's clock stands still in this test.
    expect(beforeMs).toBeLessThan(-86_400_000 + 1);
    expect(afterMs).toBeGreaterThan(fromMs - untilMs - 1);
    expect(guest.asked.map((line) => JSON.parse(line).execute)).toEqual([
      "guest-sync-delimited",
      "guest-get-time",
      "guest-set-time",
      "guest-get-time",
    ]);
  });

  it("is set although an earlier client's answer is in the channel", async () => {
    const guest = await speaking();
    guest.leftOver = '{"return": {"version": "9.0"}}\n{"ret';
    await set(channel(guest));
    expect(guest.clockNs).toBeGreaterThan(0n);
  });

  it("is not set by an agent that refuses, in its words", async () => {
    const guest = await speaking();
    guest.refusal = "hwclock failed";
    await expect(set(channel(guest))).rejects.toThrow(
      "The guest agent refuses guest-set-time: hwclock failed",
    );
  });

  it("is not set where no agent runs, and nobody waits for ever", async () => {
    const guest = await speaking();
    guest.isSilent = true;
    await expect(set(channel(guest), 50)).rejects.toThrow(/has not answered within 50 ms/);
    await expect(set("unix:/nowhere/qga.sock")).rejects.toThrow(/channel was closed: .*ENOENT/);
  });

  it("is not set by a channel that is no UNIX socket", async () => {
    await expect(set("pty:/dev/pts/3")).rejects.toThrow(/on a UNIX socket, got pty:/);
  });
});
