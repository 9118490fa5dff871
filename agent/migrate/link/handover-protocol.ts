import { createInterface } from "node:readline";
import type { TLSSocket } from "node:tls";
import * as z from "zod";
import { MigrationId } from "../../../core/id.ts";
import { FILES_MAX, Inspection, Witness } from "../../../core/twin/storage.ts";
import { copyMessages } from "./copy-message.ts";
import { PACKED_BYTES_MAX, ReadKind } from "./reading.ts";
import { watchMessages } from "./watch-message.ts";

/** In UTF-8 and JSON at most six bytes each: the line stays below its limit. */
export const MESSAGE_CHARACTERS_MAX = 500;
const RunState = z.string().min(1).max(64);
const inspect = {
  witness: Witness,
  digests: z.array(z.int().nonnegative()).max(FILES_MAX),
};

/**
 * The handover link: the two agents of one migration, directly connected on the migration network, so
 * that the target's `cont` follows the source's `completed` within a millisecond and without the
 * cloud. Mutual authentication by a secret of this migration (TLS 1.2 with a pre-shared key, RFC
 * 4279; ECDHE for forward secrecy). JSON lines; run states are those of query-status:
 *
 *   source → target  {"type":"hello","migrationId"}    first line; any other migration's ends the link
 *   source → target  {"type":"completed","runState"}   QEMU has completed: the guest is the target's
 *   source → target  {"type":"postcopy","runState"}    the guest is the target's, its memory follows
 *   target → source  {"type":"arrived","runState"}     the guest was seen in the run state in which it
 *                                                      left the source
 *   target → source  {"type":"refused","message","final"}  QEMU refused to run the guest, or it was not
 *                                                      seen; `final`: the target tries no more by itself
 *
 * Before that, for the twin check:
 *
 *   source → target  {"type":"read","what"}            asks for the target's reading
 *   target → source  {"type":"reading","what","packed"}  the reading: JSON, gzip, base64
 *   target → source  {"type":"unread","what","message"}  the target could not be read
 *   source → target  {"type":"inspect","witness","digests"}  asks what the target sees of each of its files;
 *                                                      `digests`: places of those to be read whole
 *   target → source  {"type":"inspected","witness","files"}  the answer, in the order of the reading
 *
 * The source repeats its last message on each new connection and is answered again. A broken link is no
 * failure: the source connects again; without it the target stays paused and the cloud decides. The
 * link stays after the answer, until the source is discarded or resumed. The messages by which the
 * agents watch the start and the switchover: watch-message.ts; those about disks: copy-message.ts.
 */
const Message = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("hello"), migrationId: MigrationId }),
  z.strictObject({ type: z.literal("completed"), runState: RunState }),
  z.strictObject({ type: z.literal("postcopy"), runState: RunState }),
  z.strictObject({ type: z.literal("arrived"), runState: RunState }),
  z.strictObject({
    type: z.literal("refused"),
    message: z.string().max(MESSAGE_CHARACTERS_MAX),
    final: z.boolean(),
  }),
  z.strictObject({ type: z.literal("read"), what: ReadKind }),
  z.strictObject({
    type: z.literal("reading"),
    what: ReadKind,
    packed: z.string().max(PACKED_BYTES_MAX),
  }),
  z.strictObject({
    type: z.literal("unread"),
    what: ReadKind,
    message: z.string().max(MESSAGE_CHARACTERS_MAX),
  }),
  z.strictObject({ type: z.literal("inspect"), ...inspect }),
  z.strictObject({
    type: z.literal("inspected"),
    witness: Witness,
    files: z.array(Inspection).max(FILES_MAX),
  }),
  ...watchMessages,
  ...copyMessages,
]);
export type Message = z.infer<typeof Message>;

/** From the source: the target is asked what it sees of its files. */
export type InspectRequest = Omit<Extract<Message, { type: "inspect" }>, "type">;
/** From the source: the guest is the target's. `runState`: the guest's before the switchover. */
export type HandedOver = Extract<Message, { type: "completed" | "postcopy" }>;
/** From the target. */
export type HandoverAnswer = Extract<Message, { type: "arrived" | "refused" }>;

export const TLS = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305:PSK-AES256-GCM-SHA384",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
} as const;
export const LINE_BYTES_MAX = 4_096;
/** What the target sends: a reading at most. */
export const ANSWER_BYTES_MAX = PACKED_BYTES_MAX + LINE_BYTES_MAX;

export type HandoverAddress = { address: string; port: number; key: string };

export function readMessages(
  socket: TLSSocket,
  lineBytesMax: number,
  onMessage: (message: Message) => void,
): void {
  let unread = 0;
  socket.on("data", (chunk: Buffer) => {
    const lastBreak = chunk.lastIndexOf(10);
    unread = lastBreak === -1 ? unread + chunk.length : chunk.length - lastBreak;
    if (unread > lineBytesMax) socket.destroy();
  });
  const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on("error", () => undefined);
  lines.on("line", (line) => {
    // Lines that came in the same packet after the one that ended the connection.
    if (socket.destroyed) return;
    try {
      onMessage(Message.parse(JSON.parse(line)));
    } catch {
      socket.destroy();
    }
  });
}

export function send(socket: TLSSocket, message: Message): void {
  socket.write(`${JSON.stringify(message)}\n`);
}

export function refused(message: string, final: boolean): Message {
  return { type: "refused", message: message.slice(0, MESSAGE_CHARACTERS_MAX), final };
}

/** OpenSSL limits identities to 128 bytes; the id itself is no secret. */
export function pskIdentity(migrationId: MigrationId): string {
  return `switchyard-${migrationId}`;
}
