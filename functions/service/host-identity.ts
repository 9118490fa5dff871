import { randomBytes } from "node:crypto";
import type { HostId } from "../../core/id.ts";
import { JOIN_TOKEN_SECONDS_DEFAULT } from "../../core/protocol/identity.ts";
import { Problem } from "../http/problem.ts";
import { hashSecret } from "../runtime/auth.ts";
import { askForNewKey, removeKey, setJoinToken } from "../store/host-identity.ts";
import { findHost, type StoredHost, type StoredToken } from "../store/hosts.ts";

/** A join token as its holder gets it; the table has its hash only. */
export type JoinTokenIssued = { token: string; expiresAt: string };

/** Draws a join token. It has high entropy, so a plain hash is enough. */
export function drawJoinToken(seconds = JOIN_TOKEN_SECONDS_DEFAULT): {
  issued: JoinTokenIssued;
  stored: StoredToken;
} {
  const token = `syj_${randomBytes(32).toString("base64url")}`;
  const expiresAt = new Date(Date.now() + seconds * 1_000).toISOString();
  return {
    issued: { token, expiresAt },
    stored: { joinTokenHash: hashSecret(token), joinTokenExpiresAt: expiresAt },
  };
}

/**
 * Issues a join token for a host that exists; one that was issued before is worth nothing from then
 * on. The host's present key stays until an agent has joined by the token.
 *
 * @throws Problem host-not-found, host-retiring, host-retired
 */
export async function issueJoinToken(id: HostId, seconds: number): Promise<JoinTokenIssued> {
  const { issued, stored } = drawJoinToken(seconds);
  if ((await setJoinToken(id, stored)) === undefined) throw await whyNot(id);
  return issued;
}

/**
 * Asks the host's agent to make itself another key: at its next heartbeat.
 *
 * @throws Problem host-not-found, host-retiring, host-retired, host-without-key
 */
export async function rotateHostKey(id: HostId): Promise<StoredHost> {
  const host = await askForNewKey(id);
  if (host === undefined) throw await whyNot(id);
  return host;
}

/**
 * From now on nothing that the host's agent sends is accepted, until an agent joins by a new token.
 * Its guests run on.
 *
 * @throws Problem host-not-found
 */
export async function revokeHostKey(id: HostId): Promise<StoredHost> {
  const host = await removeKey(id);
  if (host === undefined) throw await whyNot(id);
  return host;
}

async function whyNot(id: HostId): Promise<Problem> {
  const host = await findHost(id);
  switch (host?.state) {
    case undefined:
      return new Problem("host-not-found", `There is no host ${id}`);
    case "retiring":
      return new Problem("host-retiring", `${id} is being retired`);
    case "retired":
      return new Problem("host-retired", `${id} was retired: add it again`);
    default:
      return new Problem(
        "host-without-key",
        `The agent of ${id} has no key: issue a join token for it`,
      );
  }
}
