import type { Context } from "hono";
import type { HostId } from "../../core/id.ts";
import { isSignedBy, keyIdOf, type PublicKey } from "../../core/protocol/signature.ts";
import {
  CLOCK_SKEW_MS_MAX,
  RequestProof,
  requestHeaders,
  requestText,
} from "../../core/protocol/signed-request.ts";
import { limitRate } from "../http/limit-rate.ts";
import { Problem } from "../http/problem.ts";
import { findHostNow, type StoredHost } from "../store/hosts.ts";

/** Who has sent a request, its number, and how far the sender's clock is ahead of this one's. */
export type Authenticated = { host: StoredHost; sequence: number; clockOffsetMs: number };

/** Checked for an unknown host, which is refused in any case, after the time that a wrong key takes. */
const NOBODY: PublicKey = "A".repeat(43);

/**
 * The host whose key has signed the request. Whether its number was used before is a condition of the
 * write that the request leads to.
 *
 * @param find without the numbers of its requests, for one that does not need them
 * @throws Problem unauthorized, clock-skew, too-many-requests
 */
export async function authenticate(
  context: Context,
  id: HostId,
  find: (id: HostId) => Promise<StoredHost | undefined> = findHostNow,
): Promise<Authenticated> {
  const host = await find(id);
  const key = host === undefined || host.state === "retired" ? undefined : host.publicKey;
  const { sequence, at } = await requireSigned(context, id, key ?? NOBODY);
  if (host === undefined || key === undefined) throw unauthorized();
  limitRate("requests", id);
  return { host, sequence, clockOffsetMs: Date.parse(at) - Date.now() };
}

/**
 * @throws Problem unauthorized: not signed by this key; clock-skew: it is, and its time is too far from
 *   the cloud's
 */
export async function requireSigned(
  { req }: Context,
  host: HostId,
  publicKey: PublicKey,
): Promise<RequestProof> {
  const headers = Object.entries(requestHeaders).map(([part, name]) => [part, req.header(name)]);
  const parsed = RequestProof.safeParse(Object.fromEntries(headers));
  if (!parsed.success) throw unauthorized();
  const proof = parsed.data;
  const text = requestText({ path: req.path, host, proof, body: await req.text() });
  if (proof.keyId !== keyIdOf(publicKey) || !isSignedBy(publicKey, text, proof.signature)) {
    throw unauthorized();
  }
  requireNow(proof);
  return proof;
}

function requireNow({ at }: RequestProof): void {
  const now = Date.now();
  if (Math.abs(Date.parse(at) - now) <= CLOCK_SKEW_MS_MAX) return;
  throw new Problem(
    "clock-skew",
    `The request was signed at ${at}, and it is ${new Date(now).toISOString()} here: they may differ ` +
      `by ${CLOCK_SKEW_MS_MAX / 1_000} s; set the host's clock`,
  );
}

/**
 * A request that was received before, or that a later one has overtaken.
 *
 * @throws Problem request-replayed; its `lastSequence` is known to no number below it
 */
export function requireNewSequence({ host, sequence }: Authenticated): void {
  if (sequence > host.requestSeq) return;
  throw replayed(host, sequence);
}

export function replayed({ id, requestSeq }: StoredHost, sequence: number): Problem {
  return new Problem(
    "request-replayed",
    `Expected a request of ${id} with a number above ${Math.max(requestSeq, sequence)}, got ${sequence}`,
    { lastSequence: Math.max(requestSeq, sequence) },
  );
}

function unauthorized(): Problem {
  return new Problem(
    "unauthorized",
    "The request is not signed by the host's key: there is no such host, its key was revoked or " +
      "replaced, or its agent has never joined. POST /v1/hosts/{id}/join-token lets one join",
  );
}
