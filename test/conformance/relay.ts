import { connect, createServer, type Server, type Socket } from "node:net";

/** Return-path message types (QEMU migration/migration.h). */
export const returnPathTypes = { shut: 1, pong: 2, switchoverAck: 7 } as const;

/** Higher types are the model's own, for flow control. */
const LAST_QEMU_TYPE = 7;

export type Verdict = "pass" | "drop" | "hold";

/**
 * A relay between two QEMUs over loopback TCP. On the first connection (the main channel) it cuts
 * the target's bytes into return-path frames (be16 type, be16 length, payload), and `judge` decides
 * about each.
 */
export class Relay {
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #judge: (type: number) => Verdict;
  readonly #sockets = new Set<Socket>();
  readonly seenTypes: number[] = [];
  #held: { frame: Buffer; to: Socket }[] = [];
  #connections = 0;

  private constructor(targetPort: number, judge: (type: number) => Verdict) {
    this.#targetPort = targetPort;
    this.#judge = judge;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  static async start(
    targetPort: number,
    judge: (type: number) => Verdict = () => "pass",
  ): Promise<Relay> {
    const relay = new Relay(targetPort, judge);
    await new Promise<void>((resolve) => relay.#server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get uri(): string {
    const address = this.#server.address();
    return `tcp:127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  /** Forwards held frames, in order. */
  release(): void {
    for (const { frame, to } of this.#held) to.write(frame);
    this.#held = [];
  }

  /** Breaks every connection; new ones are still accepted. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #accept(source: Socket): void {
    const isMain = this.#connections === 0;
    this.#connections += 1;
    const target = connect({ port: this.#targetPort, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [source, target]) {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.#sockets.delete(socket));
    }
    source.on("close", () => target.destroy());
    target.on("close", () => source.destroy());
    source.pipe(target);
    if (isMain) this.#readFrames(target, source);
    else target.pipe(source);
  }

  #readFrames(from: Socket, to: Socket): void {
    let rest = Buffer.alloc(0);
    from.on("end", () => to.end());
    from.on("data", (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt16BE(2)) {
        const end = 4 + rest.readUInt16BE(2);
        this.#pass(rest.subarray(0, end), to);
        rest = rest.subarray(end);
      }
    });
  }

  #pass(frame: Buffer, to: Socket): void {
    const type = frame.readUInt16BE(0);
    if (type <= LAST_QEMU_TYPE) this.seenTypes.push(type);
    const verdict = this.#judge(type);
    if (verdict === "hold") this.#held.push({ frame: Buffer.from(frame), to });
    if (verdict === "pass") to.write(frame);
  }
}
