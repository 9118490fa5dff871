import { CreateQueueCommand } from "@aws-sdk/client-sqs";
import type { Host } from "../../core/protocol/host.ts";
import { Problem } from "../http/problem.ts";
import { queues } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";
import { createHost, findHost, type NewHost } from "../store/hosts.ts";
import { hostQueueAttributes } from "./command-times.ts";
import { drawJoinToken } from "./host-identity.ts";
import { orUnavailable } from "./or-unavailable.ts";

/**
 * Creates a host, its command queue and a join token for its agent. The table holds a hash of the token
 * only. A host that was retired is replaced.
 *
 * @throws Problem host-exists, host-unreachable
 */
export async function addHost(wanted: Wanted) {
  const exists = () => new Problem("host-exists", `Host ${wanted.id} exists already`);
  const known = await findHost(wanted.id);
  if (known !== undefined && known.state !== "retired") throw exists();
  const made: NewHost = {
    ...wanted,
    queueUrl: await createQueue(wanted.id),
    createdAt: new Date().toISOString(),
  };
  const { issued, stored } = drawJoinToken();
  if (!(await createHost(made, stored))) throw exists();
  const { joinTokenExpiresAt } = stored;
  const host: Host = { ...made, state: "joining", cordons: [], joinTokenExpiresAt };
  return { host, joinToken: issued };
}

type Wanted = Pick<NewHost, "id" | "slotsOut" | "slotsIn" | "prepareAhead" | "labels">;

/** Idempotent: SQS answers with the URL of a queue that exists. */
async function createQueue(id: string): Promise<string> {
  const create = new CreateQueueCommand({
    QueueName: `${config().hostQueuePrefix}${id}`,
    Attributes: hostQueueAttributes(config().deadLetterQueueArn),
  });
  const { QueueUrl } = await orUnavailable("host-unreachable", () => queues().send(create));
  if (QueueUrl === undefined) throw new Error(`Failed to create a queue for host ${id}`);
  return QueueUrl;
}
