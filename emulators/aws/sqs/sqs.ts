import type { ServiceLogger } from "../aws-json/answer.ts";
import type { Carrier } from "../aws-json/carrier.ts";
import { startJsonServer } from "../aws-json/server.ts";
import { openDatabase } from "../sqlite/open-database.ts";
import type { SqsContext } from "./context.ts";
import { createLongPolls } from "./long-polls.ts";
import { createMessages, MESSAGES_SCHEMA } from "./messages.ts";
import { createQueues, QUEUES_SCHEMA } from "./queues.ts";
import { answer } from "./service.ts";

export type SqsOptions = {
  /** A loopback address, `127.0.0.1` unless told. */
  host?: string;
  /** 0 (the default) takes any free port. */
  port?: number;
  /** Where the queues are kept; in memory without it. */
  dataDir?: string;
  /** Milliseconds since 1970, for delays, visibility and retention. Long polls wait in real time. */
  now?: () => number;
  logger?: ServiceLogger;
};

export type Sqs = {
  endpoint: string;
  /** Reaches it from within this process without a connection. */
  carrier: Carrier;
  close(): Promise<void>;
};

// Ten messages of 1 MiB together at most, each byte up to two in JSON, with room for attributes.
const BODY_BYTES_MAX = 4 * 1024 * 1024;

/**
 * SQS on loopback, for the AWS SDK's own clients: standard queues with long polling, delays,
 * visibility timeouts, retention, dead-letter queues and batches. FIFO queues, tags, policies,
 * encryption and message moves are refused with an error that names them. Credentials are not
 * checked. A queue can be purged, deleted and created anew at once, where AWS asks for a minute.
 *
 * With `dataDir` queues, messages and the receipt handles of those in flight survive the death of
 * the process. A queue's URL holds the port; after a start on another one the old URL still works,
 * as long as the client is given the new endpoint.
 *
 * @throws Error when `host` is not loopback, the port is taken or another process uses `dataDir`.
 */
export async function startSqs(options: SqsOptions = {}): Promise<Sqs> {
  const { host, port, dataDir, logger, now = Date.now } = options;
  const schema = `${QUEUES_SCHEMA}; ${MESSAGES_SCHEMA}`;
  const database = openDatabase({ dataDir, name: "sqs", schema });
  const messages = createMessages(database, now);
  const context: SqsContext = {
    database,
    queues: createQueues(database, now),
    messages,
    longPolls: createLongPolls({ nextVisibleMs: messages.nextVisibleMs, now }),
    region: process.env.AWS_REGION ?? "us-east-1",
    endpoint: "",
    now,
  };

  try {
    const server = await startJsonServer({
      target: "AmazonSQS",
      host,
      port,
      bodyBytesMax: BODY_BYTES_MAX,
      logger,
      handle: ({ operation, input, signal }) => answer(context, operation, input, signal),
    });
    context.endpoint = server.endpoint;
    return {
      endpoint: server.endpoint,
      carrier: server.carrier,
      async close() {
        await server.close();
        if (database.isOpen) database.close();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
