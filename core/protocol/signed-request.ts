import { createHash } from "node:crypto";
import * as z from "zod";
import type { HostId } from "../id.ts";
import { KeyId, type PublicKey, Signature } from "./signature.ts";

/**
 * Every request of an agent is signed with its host's key. `Authorization` stays free for the
 * signature that API Gateway's IAM authorizer asks for.
 */
export const requestHeaders = {
  keyId: "x-switchyard-key",
  sequence: "x-switchyard-sequence",
  at: "x-switchyard-time",
  signature: "x-switchyard-signature",
} as const;

/** What the headers of a signed request say. */
export const RequestProof = z.strictObject({
  keyId: KeyId,
  /** Grows with each request of the host; a number is accepted once. */
  sequence: z.coerce.number().int().positive(),
  /** By the host's clock. */
  at: z.iso.datetime(),
  signature: Signature,
});
export type RequestProof = z.infer<typeof RequestProof>;

/** A request whose time differs by more from the cloud's clock is refused, ms. */
export const CLOCK_SKEW_MS_MAX = 300_000;

/** The text that is signed: a signature is for one host, path, number, time and body. */
export function requestText(request: {
  path: string;
  host: HostId;
  proof: Omit<RequestProof, "signature">;
  body: string;
}): string {
  const { path, host, proof, body } = request;
  const bodyHash = createHash("sha256").update(body).digest("hex");
  const { keyId, sequence, at } = proof;
  return ["switchyard-request-1", path, host, keyId, sequence, at, bodyHash].join("\n");
}

/** The text by which a host's present key names the key that follows it. */
export function endorsementText(host: HostId, next: PublicKey): string {
  return ["switchyard-next-key-1", host, next].join("\n");
}
