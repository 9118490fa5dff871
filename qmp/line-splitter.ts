import { QmpProtocolError } from "./error.ts";

const LINE_FEED = 0x0a;

/**
 * Cuts a byte stream into lines, without the line feed. It works on bytes, so a chunk may end anywhere,
 * also inside a character. Lines end in CRLF (qmp-spec, "General Definitions"); the CR is white space to
 * JSON and stays.
 */
export class LineSplitter {
  readonly #lineBytesMax: number;
  #parts: Buffer[] = [];
  #partsBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The last chunk ended inside a line. */
  get isMidLine(): boolean {
    return this.#partsBytes > 0;
  }

  /** @throws QmpProtocolError for a line longer than `lineBytesMax` */
  *push(chunk: Buffer): Generator<Buffer, void, void> {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      const line = this.#finish(chunk.subarray(start, end));
      start = end + 1;
      if (line.length > 0) yield line;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  #finish(tail: Buffer): Buffer {
    this.#checkLength(tail.length);
    if (this.#partsBytes === 0) return tail;
    const line = Buffer.concat([...this.#parts, tail]);
    this.#parts = [];
    this.#partsBytes = 0;
    return line;
  }

  #keep(part: Buffer): void {
    this.#checkLength(part.length);
    this.#parts.push(part);
    this.#partsBytes += part.length;
  }

  #checkLength(addedBytes: number): void {
    const lineBytes = this.#partsBytes + addedBytes;
    if (lineBytes <= this.#lineBytesMax) return;
    throw new QmpProtocolError(
      `Expected a line of at most ${this.#lineBytesMax} bytes, got ${lineBytes} or more`,
    );
  }
}
