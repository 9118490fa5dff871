import * as z from "zod";

const Reason = z.string().max(500);

/**
 * What the two agents report to each other over the handover link, besides the handover itself:
 *
 *   source → target  starting       the source sends `migrate` next
 *   source → target  silent         no stream: its QEMU does not answer, or its `migrate` has failed
 *   target → source  clear          nobody is connected to the port of the stream
 *   target → source  streaming      the stream has begun
 *   target → source  replacing      the target's QEMU is being replaced
 *   target → source  replaced       another one listens at `migrationUri`
 *   target → source  not-replaced   the target's QEMU stays as it is
 *   source → target  ping           each second; the answer is `pong`
 */
export const watchMessages = [
  z.strictObject({ type: z.literal("starting"), migrationUri: z.string().max(200) }),
  z.strictObject({ type: z.literal("silent"), hasFailed: z.boolean(), reason: Reason }),
  z.strictObject({ type: z.literal("clear") }),
  z.strictObject({ type: z.literal("streaming") }),
  z.strictObject({ type: z.literal("replacing"), reason: Reason }),
  z.strictObject({
    type: z.literal("replaced"),
    migrationUri: z.string().max(200),
    reason: Reason,
  }),
  z.strictObject({ type: z.literal("not-replaced"), reason: Reason }),
  z.strictObject({ type: z.literal("ping") }),
  z.strictObject({ type: z.literal("pong") }),
] as const;

type WatchMessage = z.infer<(typeof watchMessages)[number]>;
export type FromSource = Extract<WatchMessage, { type: "starting" | "silent" }>;
export type FromTarget = Extract<
  WatchMessage,
  { type: "clear" | "streaming" | "replacing" | "replaced" | "not-replaced" }
>;

export function isFromSource(message: { type: string }): message is FromSource {
  return message.type === "starting" || message.type === "silent";
}

export function isFromTarget(message: { type: string }): message is FromTarget {
  return ["clear", "streaming", "replacing", "replaced", "not-replaced"].includes(message.type);
}
