import { setImmediate } from "node:timers/promises";
import type { JsonRequest, ServiceLogger } from "../aws/aws-json/answer.ts";
import { unknownOperation } from "../aws/aws-json/aws-error.ts";
import type { InProcessTransport } from "../aws/aws-json/in-process-transport.ts";
import { startJsonServer } from "../aws/aws-json/server.ts";
import { type Clock, systemClock } from "../aws/clock.ts";
import type { Credentials } from "../aws/http/signature.ts";
import { Engine } from "./engine.ts";
import { REQUEST_BYTES_MAX } from "./limits.ts";
import { ClosingError } from "./mailbox.ts";
import {
  describeExecution,
  describeStateMachineForExecution,
  getExecutionHistory,
  listExecutions,
  redriveExecution,
  startExecution,
  stopExecution,
} from "./operations/executions.ts";
import {
  createStateMachine,
  deleteStateMachine,
  describeStateMachine,
  listStateMachines,
  updateStateMachine,
  validateStateMachineDefinition,
} from "./operations/state-machines.ts";
import { sendTaskFailure, sendTaskHeartbeat, sendTaskSuccess } from "./operations/task-tokens.ts";
import type { Integration, Invoke } from "./perform-call.ts";
import type { IntegrationName } from "./resource.ts";
import { fileStore } from "./store/file-store.ts";
import { memoryStore } from "./store/memory-store.ts";

export type StepFunctionsOptions = {
  /** Calls a Lambda function for a Task. */
  readonly invoke: Invoke;
  /** Services besides Lambda and Step Functions that a Task may use. Default none. */
  readonly integrations?: Partial<Record<IntegrationName, Integration>>;
  /** A loopback address. Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Folder for the state that survives the process, created if needed. Default: memory only. */
  readonly dataDir?: string;
  /** Which data folder that is part of: kept in it. Default: none. */
  readonly generation?: number;
  /** What is answered survives a power cut. Default: the death of the process only. */
  readonly flush?: boolean;
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /** Default `eu-central-1`. */
  readonly region?: string;
  /** Default `000000000000`. */
  readonly accountId?: string;
  /** The access key that requests over HTTP must be signed with. Default: any key. */
  readonly credentials?: Credentials;
  readonly logger?: ServiceLogger;
};

export type StepFunctions = {
  /** `http://host:port`, for `AWS_ENDPOINT_URL_SFN` or a client's `endpoint`. */
  readonly endpoint: string;
  /** Reaches it from within this process, without a connection or a signature. */
  readonly transport: InProcessTransport;
  /**
   * Stops at once. With a `dataDir`, executions continue when the service is started over it again.
   */
  close(): Promise<void>;
};

/**
 * Serves AWS Step Functions on loopback: Standard workflows in JSONata, for an unmodified AWS SDK.
 *
 * With `dataDir`, executions survive the death of the process: timers continue by absolute time,
 * task tokens stay valid, and a call without an answer is made again, so handlers must be
 * idempotent.
 *
 * @throws Error if the port is taken, another live process uses `dataDir`, or files of it are damaged
 */
export async function startStepFunctions(options: StepFunctionsOptions): Promise<StepFunctions> {
  const logger = options.logger ?? silentLogger;
  const { dataDir, generation, flush } = options;
  const store = dataDir === undefined ? memoryStore() : fileStore(dataDir, { generation, flush });
  const engine = new Engine({
    account: {
      region: options.region ?? "eu-central-1",
      accountId: options.accountId ?? "000000000000",
    },
    clock: options.clock ?? systemClock,
    store,
    invoke: options.invoke,
    integrations: { ...options.integrations },
    logger,
  });
  try {
    engine.load();
    const listening = Promise.withResolvers<void>();
    const resumed = listening.promise.then(() => resumeSoon(engine, logger));
    const server = await startJsonServer({
      target: "AWSStepFunctions",
      host: options.host,
      port: options.port,
      bodyBytesMax: REQUEST_BYTES_MAX,
      signingName: "states",
      credentials: options.credentials,
      yieldsToWork: true,
      handle: async (request) => {
        await resumed;
        return handle(engine, request);
      },
      settled: store.settled,
      logger,
    });
    listening.resolve();
    const close = async () => {
      await engine.close();
      await server.close();
    };
    return { endpoint: server.endpoint, transport: server.transport, close };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

const silentLogger: ServiceLogger = { debug: () => {}, error: () => {} };

/**
 * Resumes the executions once the server listens and its caller knows the endpoint: functions that
 * are called again may send their task tokens at once.
 */
async function resumeSoon(engine: Engine, logger: ServiceLogger): Promise<void> {
  try {
    await setImmediate();
    await engine.resume();
  } catch (error) {
    if (!(error instanceof ClosingError)) logger.error({ err: error }, "executions cannot go on");
  }
}

type Operation = (engine: Engine, input: unknown) => object | Promise<object>;

const operations: Readonly<Record<string, Operation>> = {
  CreateStateMachine: createStateMachine,
  UpdateStateMachine: updateStateMachine,
  DescribeStateMachine: describeStateMachine,
  ListStateMachines: listStateMachines,
  DeleteStateMachine: deleteStateMachine,
  ValidateStateMachineDefinition: validateStateMachineDefinition,
  StartExecution: startExecution,
  StopExecution: stopExecution,
  DescribeExecution: describeExecution,
  DescribeStateMachineForExecution: describeStateMachineForExecution,
  ListExecutions: listExecutions,
  GetExecutionHistory: getExecutionHistory,
  RedriveExecution: redriveExecution,
  SendTaskSuccess: sendTaskSuccess,
  SendTaskFailure: sendTaskFailure,
  SendTaskHeartbeat: sendTaskHeartbeat,
};

function handle(engine: Engine, { operation, input }: JsonRequest): object | Promise<object> {
  const run = Object.hasOwn(operations, operation) ? operations[operation] : undefined;
  if (run) return run(engine, input);
  throw unknownOperation(`Operation ${operation} is not supported by this engine`);
}
