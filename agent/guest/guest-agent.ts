import { createConnection, type Socket } from "node:net";
import * as z from "zod";
import type { QmpClient } from "../../qmp/client.ts";
import { CommandRefusedError } from "../command/command-error.ts";

/** Marks the beginning of an answer that is in step with its question (guest-sync-delimited). */
const SENTINEL = 0xff;
const ANSWER_BYTES_MAX = 65_536;
const NS_PER_MS = 1_000_000;

const Answer = z.union([
  z.looseObject({ return: z.unknown() }),
  z.looseObject({ error: z.looseObject({ class: z.string(), desc: z.string() }) }),
]);

/** How far the guest's clock was ahead of this host's, before and after, ms. */
export type ClockOffsets = { readonly beforeMs: number; readonly afterMs: number };

/**
 * Sets a guest's clock to this host's, by the agent that runs in the guest (qemu-ga, its commands
 * guest-get-time and guest-set-time: QEMU qga/qapi-schema.json).
 *
 * @param chardev the id of the agent's channel, a chardev on a UNIX socket
 * @param timeoutMs for all of it
 * @throws CommandRefusedError `refused` or `timeout`, QmpError
 */
export async function setGuestClock(
  qmp: QmpClient,
  chardev: string,
  timeoutMs: number,
): Promise<ClockOffsets> {
  const channel = (await qmp.execute("query-chardev")).find(({ label }) => label === chardev);
  const path = /unix:([^,]+)/.exec(channel?.filename ?? "")?.[1];
  if (path === undefined) {
    const message = `Expected the guest agent's channel ${chardev} to be on a UNIX socket, got ${channel?.filename ?? "no such chardev"}`;
    throw new CommandRefusedError("refused", message);
  }
  const session = new Session(createConnection(path), timeoutMs);
  try {
    await session.synchronize();
    const beforeMs = await session.clockOffset();
    const nowNs = BigInt(Date.now()) * BigInt(NS_PER_MS);
    await session.execute("guest-set-time", `{"time":${nowNs}}`);
    return { beforeMs, afterMs: await session.clockOffset() };
  } finally {
    session.close();
  }
}

/** One connection to a guest's agent: a question at a time, a line each. */
class Session {
  readonly #socket: Socket;
  readonly #failed = Promise.withResolvers<never>();
  readonly #timer: NodeJS.Timeout;
  #received = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#failed.promise.catch(() => undefined);
    this.#timer = setTimeout(() => {
      const message = `The guest agent has not answered within ${timeoutMs} ms: see whether it runs in the guest, and whether another program is connected to its channel`;
      this.#failed.reject(new CommandRefusedError("timeout", message));
    }, timeoutMs);
    const end = (cause?: Error) => {
      const message = `The guest agent's channel was closed${cause ? `: ${cause.message}` : ""}`;
      this.#failed.reject(new CommandRefusedError("refused", message, { cause }));
    };
    socket.on("error", end);
    socket.on("close", () => end());
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      if (this.#received.length > ANSWER_BYTES_MAX) socket.destroy();
      this.#wake();
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket.destroy();
  }

  /** Whatever the agent, or a client before, has left in the channel is passed over. */
  async synchronize(): Promise<void> {
    const id = Date.now() % 2 ** 31;
    this.#socket.write(Buffer.from([SENTINEL]));
    this.#ask("guest-sync-delimited", `{"id":${id}}`);
    for (;;) {
      const line = await this.#line();
      const start = line.lastIndexOf(SENTINEL);
      if (start < 0) continue;
      const answer = parse(line.subarray(start + 1));
      if ("return" in answer && answer.return === id) return;
    }
  }

  /** @param args JSON text: nanoseconds do not fit a number */
  async execute(command: string, args = "{}"): Promise<unknown> {
    this.#ask(command, args);
    const answer = parse(await this.#line());
    if ("return" in answer) return answer.return;
    const message = `The guest agent refuses ${command}: ${answer.error.desc}`;
    throw new CommandRefusedError("refused", message.slice(0, ANSWER_BYTES_MAX));
  }

  /** How far the guest's clock is ahead, ms; right to half the time of the question. */
  async clockOffset(): Promise<number> {
    const askedMs = Date.now();
    const ns = z.number().parse(await this.execute("guest-get-time"));
    return ns / NS_PER_MS - (askedMs + Date.now()) / 2;
  }

  #ask(command: string, args: string): void {
    this.#socket.write(`{"execute":"${command}","arguments":${args}}\n`);
  }

  async #line(): Promise<Buffer> {
    for (;;) {
      const end = this.#received.indexOf("\n");
      if (end >= 0) {
        const line = this.#received.subarray(0, end);
        this.#received = this.#received.subarray(end + 1);
        return line;
      }
      const more = Promise.withResolvers<void>();
      this.#wake = more.resolve;
      await Promise.race([more.promise, this.#failed.promise]);
    }
  }
}

function parse(line: Buffer): z.infer<typeof Answer> {
  try {
    return Answer.parse(JSON.parse(line.toString("utf8")));
  } catch (cause) {
    const text = line.toString("utf8").slice(0, 200);
    throw new CommandRefusedError("refused", `The guest agent has answered ${text}`, { cause });
  }
}
