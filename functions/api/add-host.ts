import { randomBytes } from "node:crypto";
import { CreateQueueCommand } from "@aws-sdk/client-sqs";
import type { Host } from "../../core/protocol/host.ts";
import { Problem } from "../http/problem.ts";
import { hashSecret } from "../runtime/auth.ts";
import { queues } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";
import { createHost, findHost } from "../store/hosts.ts";

/** Commands that nobody fetched within this time are gone; they have expired long before. */
const RETENTION_SECONDS = 900;
/** A command fetched by an agent that died comes again after this. */
const VISIBILITY_SECONDS = 30;

/**
 * A host with its command queue and a new key, of which only a hash is kept.
 *
 * @throws Problem host-exists
 */
export async function addHost(wanted: Pick<Host, "id" | "slotsOut" | "slotsIn">) {
  const exists = () => new Problem(409, "host-exists", `Host ${wanted.id} exists already`);
  if ((await findHost(wanted.id)) !== undefined) throw exists();
  const host: Host = {
    ...wanted,
    state: "joining",
    queueUrl: await createQueue(wanted.id),
    createdAt: new Date().toISOString(),
  };
  const key = randomBytes(32).toString("base64url");
  if (!(await createHost(host, hashSecret(key)))) throw exists();
  return { host, key };
}

/** Creating a queue that exists gives its URL. */
async function createQueue(id: string): Promise<string> {
  const { QueueUrl } = await queues().send(
    new CreateQueueCommand({
      QueueName: `${config().hostQueuePrefix}${id}`,
      Attributes: {
        MessageRetentionPeriod: String(RETENTION_SECONDS),
        VisibilityTimeout: String(VISIBILITY_SECONDS),
      },
    }),
  );
  if (QueueUrl === undefined) throw new Error(`Failed to create a queue for host ${id}`);
  return QueueUrl;
}
