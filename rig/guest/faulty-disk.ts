import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { ByteReader } from "./byte-reader.ts";
import { dataDevice } from "./data-guest.ts";

export type FaultyRequest = "read" | "write";

/**
 * A data disk whose I/O errors begin and end when a test says so, without any monitor of QEMU: an NBD
 * server over an image file. Several QEMUs may use it at once, as source and target do; QEMU takes no
 * image lock on it. Serves simple replies of the fixed newstyle protocol (NBD's doc/proto.md), which
 * is all that QEMU needs.
 *
 * @example
 * const disk = await FaultyDisk.serve({ imagePath: "data.img", socketPath: "nbd.sock" });
 * disk.fail("write"); // the guest stops: BLOCK_IO_ERROR, run state io-error
 * disk.mend(); // `cont` tries the write again
 * await disk.close();
 */
export class FaultyDisk {
  readonly #file: FileHandle;
  readonly #server: Server;
  readonly #socketPath: string;
  readonly #sizeBytes: number;
  readonly #sockets = new Set<Socket>();
  #failing: readonly FaultyRequest[] = [];
  #failures = 0;

  /** Opens the image and listens on a Unix socket. */
  static async serve(paths: { imagePath: string; socketPath: string }): Promise<FaultyDisk> {
    const file = await open(paths.imagePath, "r+");
    const { size } = await file.stat();
    const disk = new FaultyDisk(file, paths.socketPath, size);
    disk.#server.listen(paths.socketPath);
    await once(disk.#server, "listening");
    return disk;
  }

  private constructor(file: FileHandle, socketPath: string, sizeBytes: number) {
    this.#file = file;
    this.#socketPath = socketPath;
    this.#sizeBytes = sizeBytes;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy()).on("close", () => this.#sockets.delete(socket));
      // A client that breaks the protocol or leaves in the middle is dropped.
      this.#talk(socket).then(
        () => socket.end(),
        () => socket.destroy(),
      );
    });
  }

  /** Requests answered with EIO so far. */
  get failures(): number {
    return this.#failures;
  }

  /** From now on these requests get EIO ("Input/output error"). They touch no byte. */
  fail(...requests: readonly FaultyRequest[]): void {
    this.#failing = requests;
  }

  /** From now on every request is carried out. */
  mend(): void {
    this.#failing = [];
  }

  /** The disk in the form of a VM definition; like `dataDiskDefinition`. */
  definition(): { blockdevs: Record<string, unknown>[]; devices: ReturnType<typeof dataDevice>[] } {
    const server = { type: "unix", path: this.#socketPath };
    return {
      blockdevs: [{ driver: "nbd", "node-name": "data", server, export: "data" }],
      devices: [dataDevice()],
    };
  }

  /** Drops every client and closes the image. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
    await this.#file.close();
  }

  async #talk(socket: Socket): Promise<void> {
    const reader = new ByteReader(socket);
    const greeting = Buffer.alloc(18);
    greeting.write("NBDMAGICIHAVEOPT");
    greeting.writeUInt16BE(FIXED_NEWSTYLE | NO_ZEROES, 16);
    socket.write(greeting);
    await reader.read(4); // the client's flags: nothing to choose from
    if (!(await negotiate(reader, socket, this.#sizeBytes))) return;
    while (await this.#serveRequest(reader, socket));
  }

  /** False at the end of the session. */
  async #serveRequest(reader: ByteReader, socket: Socket): Promise<boolean> {
    const request = await reader.read(28);
    if (request === undefined || request.readUInt32BE(0) !== REQUEST_MAGIC) return false;
    const type = request.readUInt16BE(6);
    const position = Number(request.readBigUInt64BE(16));
    const length = request.readUInt32BE(24);
    if (type === DISCONNECT || length > LENGTH_BYTES_MAX) return false;
    const payload = type === WRITE ? await reader.read(length) : Buffer.alloc(0);
    if (payload === undefined) return false;
    const { error, data } = await this.#perform({ type, position, length, payload });
    const reply = Buffer.alloc(16);
    reply.writeUInt32BE(REPLY_MAGIC, 0);
    reply.writeUInt32BE(error, 4);
    request.copy(reply, 8, 8, 16); // the cookie
    socket.write(Buffer.concat([reply, data]));
    return true;
  }

  async #perform(request: Request): Promise<{ error: number; data: Buffer }> {
    const { type, position, length, payload } = request;
    const none = Buffer.alloc(0);
    const kind = type === READ ? "read" : "write";
    if (type !== FLUSH && this.#failing.includes(kind)) {
      this.#failures += 1;
      return { error: EIO, data: none };
    }
    if (type === READ) {
      const data = Buffer.alloc(length);
      await this.#file.read(data, 0, length, position);
      return { error: 0, data };
    }
    if (type === WRITE) await this.#file.write(payload, 0, length, position);
    else if (type === FLUSH) await this.#file.datasync();
    else return { error: EINVAL, data: none };
    return { error: 0, data: none };
  }
}

type Request = { type: number; position: number; length: number; payload: Buffer };

// NBD's doc/proto.md, "Values".
const FIXED_NEWSTYLE = 1;
const NO_ZEROES = 2;
const OPTION_ABORT = 2;
const OPTION_INFO = 6;
const OPTION_GO = 7;
const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
const REPLY_ACK = 1;
const REPLY_INFO = 3;
const REPLY_UNSUPPORTED = 0x80000001;
const HAS_FLAGS_AND_FLUSH = 1 | 4;
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;
const READ = 0;
const WRITE = 1;
const DISCONNECT = 2;
const FLUSH = 3;
const EIO = 5;
const EINVAL = 22;
const OPTIONS_MAX = 32;
const OPTION_BYTES_MAX = 64 * 1024;
/** NBD's recommended maximum of a request, and QEMU's. */
const LENGTH_BYTES_MAX = 32 * 1024 * 1024;

/** Answers the client's options; true when it has chosen the export, whatever its name. */
async function negotiate(reader: ByteReader, socket: Socket, sizeBytes: number): Promise<boolean> {
  for (let options = 0; options < OPTIONS_MAX; options += 1) {
    const header = await reader.read(16);
    if (header === undefined) return false;
    const option = header.readUInt32BE(8);
    const length = header.readUInt32BE(12);
    if (length > OPTION_BYTES_MAX || (await reader.read(length)) === undefined) return false;
    const reply = (type: number, data: Buffer = Buffer.alloc(0)) =>
      socket.write(optionReply(option, type, data));
    if (option === OPTION_GO || option === OPTION_INFO) {
      reply(REPLY_INFO, exportInfo(sizeBytes));
      reply(REPLY_ACK);
      if (option === OPTION_GO) return true;
    } else if (option === OPTION_ABORT) {
      reply(REPLY_ACK);
      return false;
    } else {
      reply(REPLY_UNSUPPORTED);
    }
  }
  return false;
}

function optionReply(option: number, type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

/** NBD_INFO_EXPORT: type 0, size, transmission flags. */
function exportInfo(sizeBytes: number): Buffer {
  const info = Buffer.alloc(12);
  info.writeBigUInt64BE(BigInt(sizeBytes), 2);
  info.writeUInt16BE(HAS_FLAGS_AND_FLUSH, 10);
  return info;
}
