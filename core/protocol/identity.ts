import * as z from "zod";
import { HostId } from "../id.ts";
import { KeyId, PublicKey, Signature } from "./signature.ts";

/** A secret by which an agent joins as one host, once. */
export const JoinToken = z
  .string()
  .regex(/^syj_[A-Za-z0-9_-]{43}$/, "expected a join token: syj_ and 43 characters of base64url");

/** How long a join token is valid, seconds. */
export const JOIN_TOKEN_SECONDS_MAX = 86_400;
export const JOIN_TOKEN_SECONDS_DEFAULT = 3_600;

/**
 * What an agent posts to give its host a key: with a join token, or endorsed by the key that it
 * replaces. The request itself is signed with the new key. Repeated, it changes nothing.
 */
export const JoinRequest = z
  .strictObject({
    host: HostId,
    publicKey: PublicKey,
    joinToken: JoinToken.optional(),
    /** The present key's signature of `endorsementText`. */
    endorsement: Signature.optional(),
  })
  .refine(
    ({ joinToken, endorsement }) => (joinToken === undefined) !== (endorsement === undefined),
    "expected either a join token or an endorsement",
  );
export type JoinRequest = z.infer<typeof JoinRequest>;

/** A key that the control plane signs commands with. */
export const CommandKey = z.strictObject({ id: KeyId, publicKey: PublicKey });
export type CommandKey = z.infer<typeof CommandKey>;

/** Keys that may sign commands at one time: the present one, and others while one is replaced. */
const COMMAND_KEYS_MAX = 4;
export const CommandKeys = z.array(CommandKey).min(1).max(COMMAND_KEYS_MAX);

/** An access key for the host's own queue, where the control plane serves the queues itself. */
export const QueueAccess = z.strictObject({
  accessKeyId: z.string().min(1).max(128),
  secretAccessKey: z.string().min(1).max(128),
});
export type QueueAccess = z.infer<typeof QueueAccess>;

/** Answers to an agent, which ignores members that it does not know. */
export const Joined = z.object({ host: HostId, keyId: KeyId });

export const HeartbeatAnswer = z.object({
  host: HostId,
  commandKeys: CommandKeys,
  queueAccess: QueueAccess.optional(),
  /** The agent is to replace its key. */
  rotateKey: z.boolean().optional(),
});
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>;

/** Asks who the control plane takes a host for; it changes nothing but the number of requests. */
export const CheckRequest = z.strictObject({ host: HostId });

export const Checked = z.object({
  host: HostId,
  queueUrl: z.string(),
  queueAccess: QueueAccess.optional(),
  /** By the control plane's clock. */
  at: z.iso.datetime(),
});
export type Checked = z.infer<typeof Checked>;

export const Registered = z.object({
  host: HostId,
  queueUrl: z.string(),
  acceptedSeq: z.int().nonnegative(),
  at: z.iso.datetime(),
  commandKeys: CommandKeys,
  queueAccess: QueueAccess.optional(),
});
export type Registered = z.infer<typeof Registered>;
