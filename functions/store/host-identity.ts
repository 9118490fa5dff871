import type { HostId } from "../../core/id.ts";
import type { PublicKey } from "../../core/protocol/signature.ts";
import { parseHost, type StoredHost, type StoredToken } from "./hosts.ts";
import { keys } from "./keys.ts";
import { updateIf, updateItem } from "./table.ts";

const NOT_RETIRED = "attribute_exists(pk) AND NOT #state IN (:retiring, :retired)";
const retired = { ":retiring": "retiring", ":retired": "retired" };

/** Replaces the host's join token. Undefined when there is no such host, or it leaves the fleet. */
export async function setJoinToken(
  id: HostId,
  token: StoredToken,
): Promise<StoredHost | undefined> {
  return changed({
    key: keys.host(id),
    update: "SET #joinTokenHash = :hash, #joinTokenExpiresAt = :expiresAt",
    condition: NOT_RETIRED,
    values: { ":hash": token.joinTokenHash, ":expiresAt": token.joinTokenExpiresAt, ...retired },
  });
}

/** Gives the host a key for its join token, which is used up. False: another request was faster. */
export async function joinByToken(
  id: HostId,
  joining: { publicKey: PublicKey; tokenHash: string },
): Promise<boolean> {
  return updateIf({
    key: keys.host(id),
    update:
      "SET #publicKey = :publicKey, #keySince = :now REMOVE #joinTokenHash, #joinTokenExpiresAt, #rotateKey",
    condition: `#joinTokenHash = :hash AND #joinTokenExpiresAt > :now AND ${NOT_RETIRED}`,
    values: {
      ":publicKey": joining.publicKey,
      ":hash": joining.tokenHash,
      ":now": new Date().toISOString(),
      ...retired,
    },
  });
}

/** Replaces the host's key. False: it is no longer the one that endorses the next. */
export async function replaceKey(
  id: HostId,
  replaced: { present: PublicKey; next: PublicKey },
): Promise<boolean> {
  return updateIf({
    key: keys.host(id),
    update: "SET #publicKey = :next, #keySince = :now REMOVE #rotateKey",
    condition: `#publicKey = :present AND ${NOT_RETIRED}`,
    values: {
      ":present": replaced.present,
      ":next": replaced.next,
      ":now": new Date().toISOString(),
      ...retired,
    },
  });
}

/** Asks the host's agent to replace its key. Undefined when it has none. */
export async function askForNewKey(id: HostId): Promise<StoredHost | undefined> {
  return changed({
    key: keys.host(id),
    update: "SET #rotateKey = :asked",
    condition: `attribute_exists(#publicKey) AND ${NOT_RETIRED}`,
    values: { ":asked": true, ...retired },
  });
}

/** The host has no key and no join token any more. Undefined when there is no such host. */
export async function removeKey(id: HostId): Promise<StoredHost | undefined> {
  return changed({
    key: keys.host(id),
    update: "REMOVE #publicKey, #keySince, #joinTokenHash, #joinTokenExpiresAt, #rotateKey",
    condition: "attribute_exists(pk)",
  });
}

async function changed(change: Parameters<typeof updateItem>[0]): Promise<StoredHost | undefined> {
  const item = await updateItem(change);
  return item === undefined ? undefined : parseHost(item);
}
