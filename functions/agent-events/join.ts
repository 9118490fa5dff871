import type { Context } from "hono";
import type { HostId } from "../../core/id.ts";
import type { JoinRequest } from "../../core/protocol/identity.ts";
import { isSignedBy, type PublicKey } from "../../core/protocol/signature.ts";
import { endorsementText } from "../../core/protocol/signed-request.ts";
import { limitRate } from "../http/limit-rate.ts";
import { Problem } from "../http/problem.ts";
import { hashSecret, secretMatches } from "../runtime/auth.ts";
import { callerAddress } from "../runtime/caller-address.ts";
import { joinByToken, replaceKey } from "../store/host-identity.ts";
import { findHost, type StoredHost } from "../store/hosts.ts";
import { requireSigned } from "./authenticate.ts";

/**
 * Gives a host the key that has signed the request: for a join token, or endorsed by the host's
 * present key. An agent that did not get the answer asks again, and nothing changes.
 *
 * @throws Problem too-many-requests, unauthorized, clock-skew, join-refused
 */
export async function join(context: Context, request: JoinRequest): Promise<void> {
  const { host: id, publicKey } = request;
  limitRate("joins", callerAddress(context.env));
  await requireSigned(context, id, publicKey);
  const host = await findHost(id);
  if (host === undefined || host.state === "retiring" || host.state === "retired")
    throw refused(id);
  if (host.publicKey === publicKey) return;
  if (await accept(host, request)) return;
  // The same request may have been received twice at one time.
  if ((await findHost(id))?.publicKey !== publicKey) throw refused(id);
}

async function accept(host: StoredHost, request: JoinRequest): Promise<boolean> {
  const { publicKey, joinToken, endorsement } = request;
  if (joinToken !== undefined) {
    const tokenHash = hashSecret(joinToken);
    if (!secretMatches(joinToken, host.joinTokenHash ?? "")) return false;
    return joinByToken(host.id, { publicKey, tokenHash });
  }
  const present = host.publicKey;
  if (present === undefined || endorsement === undefined) return false;
  if (!isEndorsed(host.id, present, publicKey, endorsement)) return false;
  return replaceKey(host.id, { present, next: publicKey });
}

function isEndorsed(host: HostId, present: PublicKey, next: PublicKey, endorsement: string) {
  return isSignedBy(present, endorsementText(host, next), endorsement);
}

/** The same for a host that does not exist, and for each thing that may be wrong with a token. */
function refused(id: HostId): Problem {
  return new Problem(
    "join-refused",
    `${id} cannot join by this token or key: a token is for one host, is used once and expires; a ` +
      "key must be endorsed by the host's present one. POST /v1/hosts/{id}/join-token issues another token",
  );
}
