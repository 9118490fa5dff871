import * as z from "zod";

/**
 * What the two agents say to each other about disks that are copied:
 *
 *   source → target  open-exports    asks for the target's images as NBD exports
 *   target → source  exports-open    they are at this port, each under its disk's name
 *   source → target  close-exports   everything is copied: before QEMU switches over
 *   target → source  exports-closed  the images are the target's own
 *   target → source  exports-failed  QEMU refused one of the two, with its words
 */
export const copyMessages = [
  z.strictObject({ type: z.literal("open-exports") }),
  z.strictObject({ type: z.literal("exports-open"), port: z.int().min(1).max(65_535) }),
  z.strictObject({ type: z.literal("close-exports") }),
  z.strictObject({ type: z.literal("exports-closed") }),
  z.strictObject({ type: z.literal("exports-failed"), message: z.string().max(500) }),
] as const;

type CopyMessage = z.infer<(typeof copyMessages)[number]>;
export type CopyQuestion = Extract<CopyMessage, { type: "open-exports" | "close-exports" }>;
export type CopyAnswer = Exclude<CopyMessage, CopyQuestion>;

export function isCopyQuestion(message: { type: string }): message is CopyQuestion {
  return message.type === "open-exports" || message.type === "close-exports";
}

export function isCopyAnswer(message: { type: string }): message is CopyAnswer {
  return ["exports-open", "exports-closed", "exports-failed"].includes(message.type);
}
