import { createHmac } from "node:crypto";
import type { HostId } from "../../core/id.ts";
import type { QueueAccess } from "../../core/protocol/identity.ts";
import type { KeyId } from "../../core/protocol/signature.ts";

/**
 * The access key by which a host reaches its queue, where the control plane serves the queues itself.
 * It follows from the host's own key, so nothing has to be stored and a replaced key ends it.
 */
export function queueAccessOf(secret: string, host: HostId, keyId: KeyId): QueueAccess {
  const accessKeyId = `host.${host}.${keyId}`;
  const secretAccessKey = createHmac("sha256", secret).update(accessKeyId).digest("base64url");
  return { accessKeyId, secretAccessKey };
}
