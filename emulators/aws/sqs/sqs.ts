import type { ServiceLogger } from "../aws-json/answer.ts";
import type { InProcessTransport } from "../aws-json/in-process-transport.ts";
import { type JsonServer, startJsonServer } from "../aws-json/server.ts";
import type { Credentials, FindPrincipal } from "../http/signature.ts";
import { logSync } from "../sqlite/log-sync.ts";
import { databasePath, openDatabase } from "../sqlite/open-database.ts";
import type { SqsContext } from "./context.ts";
import { createLongPolls } from "./long-polls.ts";
import { createMessages, MESSAGES_SCHEMA } from "./messages.ts";
import { createQueues, QUEUES_SCHEMA } from "./queues.ts";
import { answer } from "./service.ts";

export type SqsOptions = {
  /** A loopback address. Default `127.0.0.1`. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Folder that keeps the queues. Default: memory only. */
  dataDir?: string;
  /** Which data folder its file belongs to: kept in the file. Default: none. */
  generation?: number;
  /** What is answered survives a power cut. Default: the death of the process only. */
  flush?: boolean;
  /**
   * Milliseconds since 1970, for delays, visibility and retention. Long polls wait in real time.
   */
  now?: () => number;
  /** The access key that requests over HTTP must be signed with. Default: any key. */
  credentials?: Credentials;
  /** Knows access keys with fewer rights. Default: there are none. */
  findPrincipal?: FindPrincipal;
  logger?: ServiceLogger;
};

export type Sqs = {
  endpoint: string;
  /** Reaches it from within this process, without a connection or a signature. */
  transport: InProcessTransport;
  /** Answers a request of a principal from another machine; see `JsonServer`. */
  answerOutside: JsonServer["answerOutside"];
  close(): Promise<void>;
};

// Ten messages of 1 MiB together at most, each byte up to two in JSON, with room for attributes.
const BODY_BYTES_MAX = 4 * 1024 * 1024;

/**
 * SQS on loopback, for the AWS SDK's own clients: standard queues with long polling, delays,
 * visibility timeouts, retention, dead-letter queues and batches. FIFO queues, tags, policies,
 * encryption and message moves are refused with an error that names them. A queue can be purged,
 * deleted and created anew at once, where AWS asks for a minute.
 *
 * With `dataDir` queues, messages and the receipt handles of those in flight survive the death of
 * the process. A queue's URL holds the port; after a start on another one the old URL still works,
 * as long as the client is given the new endpoint.
 *
 * @throws Error if `host` is not loopback, the port is taken or another process uses `dataDir`
 */
export async function startSqs(options: SqsOptions = {}): Promise<Sqs> {
  const { host, port, dataDir, generation, flush, credentials, findPrincipal, logger } = options;
  const { now = Date.now } = options;
  const schema = `${QUEUES_SCHEMA}; ${MESSAGES_SCHEMA}`;
  const database = openDatabase({ dataDir, name: "sqs", schema, generation });
  const log =
    flush && dataDir !== undefined ? logSync(database, databasePath(dataDir, "sqs")) : undefined;
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
      settled: log?.settled,
      signingName: "sqs",
      credentials,
      findPrincipal,
      handle: ({ operation, input, signal }) => answer(context, operation, input, signal),
    });
    context.endpoint = server.endpoint;
    return {
      endpoint: server.endpoint,
      transport: server.transport,
      answerOutside: server.answerOutside,
      async close() {
        await server.close();
        await log?.close();
        if (database.isOpen) database.close();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
