import { connect, type Socket } from "node:net";

/** One line from QEMU: a greeting, a reply or an event. */
export type QmpLine = {
  QMP?: {
    version: { qemu: { major: number; minor: number; micro: number } };
    capabilities: string[];
  };
  id?: number;
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  data?: Record<string, unknown>;
  timestamp?: { seconds: number; microseconds: number };
};

export type QmpReply = Pick<QmpLine, "return" | "error"> | "no answer" | "closed";

/** At most this much of one line is kept; QEMU's longest reply (its schema) is below 1 MiB. */
const lineBytesMax = 16 * 1024 * 1024;

/**
 * The least that speaks QMP: sends a command, gives back the reply, hands over every event. It has no opinion on
 * errors: a refusal, silence and a closed socket are answers that a dialogue may expect.
 */
export class QmpSocket {
  greeting: QmpLine["QMP"];
  readonly #socket: Socket;
  readonly #onEvent: (event: QmpLine) => void;
  readonly #waiting = new Map<number, (reply: QmpReply) => void>();
  #lastId = 0;
  #rest = "";
  #closed = false;

  private constructor(socket: Socket, onEvent: (event: QmpLine) => void) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#read(text));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#close());
  }

  /** Resolves when connected; rejects as `net.connect` does (a socket that is not there yet). */
  static connect(path: string, onEvent: (event: QmpLine) => void): Promise<QmpSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new QmpSocket(socket, onEvent));
      });
    });
  }

  /** Never rejects. `outOfBand` needs the capability `oob`. */
  ask(
    command: string,
    parameters: Record<string, unknown> | undefined,
    options: { timeoutMs: number; outOfBand?: boolean },
  ): Promise<QmpReply> {
    if (this.#closed) return Promise.resolve("closed");
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, "no answer"), options.timeoutMs);
      this.#waiting.set(id, (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      const verb = options.outOfBand ? "exec-oob" : "execute";
      this.#socket.write(`${JSON.stringify({ [verb]: command, arguments: parameters, id })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
    this.#close();
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > lineBytesMax) this.close();
    for (const line of lines) if (line.trim() !== "") this.#take(JSON.parse(line) as QmpLine);
  }

  #take(line: QmpLine): void {
    if (line.QMP !== undefined) this.greeting = line.QMP;
    else if (line.event !== undefined) this.#onEvent(line);
    else if (line.id !== undefined) this.#settle(line.id, line);
  }

  #settle(id: number, reply: QmpReply): void {
    const settle = this.#waiting.get(id);
    this.#waiting.delete(id);
    settle?.(reply);
  }

  #close(): void {
    this.#closed = true;
    for (const id of [...this.#waiting.keys()]) this.#settle(id, "closed");
  }
}
