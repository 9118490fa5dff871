import { createHmac } from "node:crypto";
import * as z from "zod";
import { HostId } from "../core/id.ts";
import { keyIdOf } from "../core/protocol/signature.ts";
import type { FindPrincipal } from "../emulators/aws/http/signature.ts";
import { config } from "../functions/runtime/config.ts";
import { queueAccessOf } from "../functions/runtime/queue-access.ts";
import { findHost } from "../functions/store/hosts.ts";

/** What the role of a host may do on AWS (infra/hosts.ts), operation by operation. */
const OPERATIONS = new Set(["ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"]);

/** As `queueAccessOf` makes it. */
const ACCESS_KEY_ID = /^host\.([^.]+)\.([0-9a-f]{16})$/;
const OnQueue = z.object({ QueueUrl: z.string() });

/** The secret that hosts' access keys are made from: it follows from the services' own. */
export function hostQueueSecretOf(secretAccessKey: string): string {
  return createHmac("sha256", secretAccessKey).update("host queues").digest("base64url");
}

/**
 * The hosts' access keys for the local SQS: a host receives from its own queue, and nothing else. A key
 * is good for as long as the host's agent has the key that it was made for.
 */
export function hostPrincipals(secret: string): FindPrincipal {
  return async (accessKeyId) => {
    const [, name, keyId = ""] = ACCESS_KEY_ID.exec(accessKeyId) ?? [];
    const id = HostId.safeParse(name);
    const host = id.success ? await findHost(id.data) : undefined;
    if (host?.publicKey === undefined || keyIdOf(host.publicKey) !== keyId) return undefined;
    const queue = `${config().hostQueuePrefix}${host.id}`;
    return {
      secretAccessKey: queueAccessOf(secret, host.id, keyId).secretAccessKey,
      mayCall: (operation, input) => OPERATIONS.has(operation) && queueOf(input) === queue,
    };
  };
}

function queueOf(input: unknown): string | undefined {
  return OnQueue.safeParse(input).data?.QueueUrl.split("/").at(-1);
}
