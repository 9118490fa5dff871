import type { ServiceLogger } from "../aws-json/answer.ts";
import type { AwsError } from "../aws-json/aws-error.ts";
import type { InProcessTransport } from "../aws-json/in-process-transport.ts";
import { startJsonServer } from "../aws-json/server.ts";
import type { Credentials } from "../http/signature.ts";
import { logSync } from "../sqlite/log-sync.ts";
import { databasePath, openDatabase } from "../sqlite/open-database.ts";
import { createIdempotencyTokens, IDEMPOTENCY_TOKENS_SCHEMA } from "./idempotency-tokens.ts";
import type { Input } from "./operations.ts";
import { ROWS_SCHEMA } from "./rows.ts";
import { answer } from "./service.ts";
import { createStore } from "./store.ts";
import { createTimeToLive, type TimeToLive } from "./time-to-live.ts";

export type DynamodbOptions = {
  /** A loopback address. Default `127.0.0.1`. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Folder that keeps the data. Default: memory only. */
  dataDir?: string;
  /** Which data folder its file belongs to: kept in the file. Default: none. */
  generation?: number;
  /** What is answered survives a power cut. Default: the death of the process only. */
  flush?: boolean;
  /** Milliseconds since 1970, for time to live and idempotency tokens. */
  now?: () => number;
  /** Pause between two sweeps for expired items. Default 30 s (AWS takes up to days). */
  ttlSweepMs?: number;
  /** The access key that requests over HTTP must be signed with. Default: any key. */
  credentials?: Credentials;
  logger?: ServiceLogger;
  /** Refuses a call before anything is done, as AWS does when it is busy. Default: refuses none. */
  refuse?: (operation: string, input: Input) => AwsError | undefined;
};

export type Dynamodb = {
  endpoint: string;
  /** Reaches it from within this process, without a connection or a signature. */
  transport: InProcessTransport;
  close(): Promise<void>;
};

// DynamoDB's own limit, that of a batch write.
const BODY_BYTES_MAX = 16 * 1024 * 1024;
const TTL_SWEEP_MS_DEFAULT = 30_000;

/**
 * DynamoDB on loopback, for the AWS SDK's own clients: tables with secondary indexes, all reads and
 * writes by key, queries, scans, batches, transactions, time to live. Streams, PartiQL, backups,
 * tags and changes of a table are refused with UnknownOperationException; a member that is not
 * supported with a ValidationException that names it.
 *
 * Writes are atomic, secondary indexes included, and with `dataDir` survive the death of the
 * process. All reads are consistent.
 *
 * @throws Error if `host` is not loopback, the port is taken or another process uses `dataDir`
 */
export async function startDynamodb(options: DynamodbOptions = {}): Promise<Dynamodb> {
  const { host, port, dataDir, generation, flush, credentials, logger, now = Date.now } = options;
  const schema = `${ROWS_SCHEMA}; ${IDEMPOTENCY_TOKENS_SCHEMA}`;
  const database = openDatabase({ dataDir, name: "dynamodb", schema, generation });
  const log =
    flush && dataDir !== undefined
      ? logSync(database, databasePath(dataDir, "dynamodb"))
      : undefined;
  const store = createStore(database, process.env.AWS_REGION ?? "us-east-1");
  const timeToLive = createTimeToLive({ store, now });
  const service = { store, timeToLive, tokens: createIdempotencyTokens(database, now) };

  try {
    const server = await startJsonServer({
      target: "DynamoDB_20120810",
      host,
      port,
      bodyBytesMax: BODY_BYTES_MAX,
      logger,
      settled: log?.settled,
      signingName: "dynamodb",
      credentials,
      handle: ({ operation, input }) => {
        const refusal = options.refuse?.(operation, input);
        if (refusal !== undefined) throw refusal;
        return answer(service, operation, input);
      },
    });
    const sweeper = startSweeper(timeToLive, options.ttlSweepMs ?? TTL_SWEEP_MS_DEFAULT, logger);
    return {
      endpoint: server.endpoint,
      transport: server.transport,
      async close() {
        await server.close();
        await sweeper.stop();
        await log?.close();
        if (database.isOpen) database.close();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

function startSweeper(timeToLive: TimeToLive, pauseMs: number, logger: ServiceLogger | undefined) {
  const stopped = new AbortController();
  let sweeping = Promise.resolve();
  const sweep = async () => {
    await timeToLive.sweep(stopped.signal).catch((error) => {
      logger?.error({ err: error }, "Failed to sweep expired items");
    });
    if (!stopped.signal.aborted) timer = start();
  };
  const start = () =>
    setTimeout(() => {
      sweeping = sweep();
    }, pauseMs).unref();
  let timer = start();

  return {
    stop(): Promise<void> {
      stopped.abort();
      clearTimeout(timer);
      return sweeping;
    },
  };
}
