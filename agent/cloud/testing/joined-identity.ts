import type { HostId } from "../../../core/id.ts";
import { Identity } from "../identity.ts";

/** A host's identity in a folder as if a cloud had accepted its key. */
export function joinedIdentity(stateDir: string, host: HostId): Identity {
  const identity = new Identity(stateDir, host);
  if (identity.keyId !== undefined) return identity;
  const token = `syj_${"t".repeat(43)}`;
  identity.prepareJoin("/agent/v1/join", token);
  identity.finishJoin(token);
  return identity;
}
