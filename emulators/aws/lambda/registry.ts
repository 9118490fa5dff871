import { randomUUID } from "node:crypto";
import { type Clock, systemClock, type Timer } from "../clock.ts";

/** A handler's second argument: the members of Lambda's context that have a meaning here. */
export type FunctionContext = {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly invokedFunctionArn: string;
  readonly awsRequestId: string;
  readonly memoryLimitInMB: string;
  readonly logGroupName: string;
  readonly logStreamName: string;
  callbackWaitsForEmptyEventLoop: boolean;
  getRemainingTimeInMillis(): number;
};

export type FunctionHandler = (event: unknown, context: FunctionContext) => Promise<unknown>;

export type FunctionOptions = {
  /** How long an invocation may take, in milliseconds. Default 30,000. */
  readonly timeoutMs?: number;
};

/** Answer to an invocation, as Lambda gives it: the payload, or the error document. */
export type Invocation = {
  readonly payload: unknown;
  readonly functionError?: "Unhandled";
};

/** An error of the service, not of a function: `ResourceNotFoundException` and the like. */
export class LambdaServiceError extends Error {
  readonly statusCode: number;

  constructor(name: string, statusCode: number, message: string) {
    super(message);
    this.name = name;
    this.statusCode = statusCode;
  }
}

export type FunctionRegistry = {
  /** Adds or replaces a function. Names: letters, digits, `-`, `_`; at most 64. */
  register(name: string, handler: FunctionHandler, options?: FunctionOptions): void;
  /**
   * Returns the function's name.
   *
   * @throws LambdaServiceError `ResourceNotFoundException`
   */
  require(nameOrArn: string): string;
  /**
   * Calls a function as Lambda's Invoke does with RequestResponse.
   *
   * @param signal stops waiting for the answer; the handler itself is not interrupted
   * @throws LambdaServiceError `ResourceNotFoundException`, `RequestTooLargeException`
   */
  invoke(nameOrArn: string, event: unknown, signal?: AbortSignal): Promise<Invocation>;
};

export type RegistryOptions = {
  readonly region?: string;
  readonly accountId?: string;
  readonly clock?: Clock;
};

/** Lambda's limit for a synchronous request, and for its answer. */
export const PAYLOAD_BYTES_MAX = 6 * 1024 * 1024;
const TIMEOUT_MS = 30_000;
const TRACE_LINES_MAX = 50;

type Registered = {
  readonly handler: FunctionHandler;
  readonly timeoutMs: number;
};

/** Functions by name, run in this process as Lambda runs them. */
export function functionRegistry(options: RegistryOptions = {}): FunctionRegistry {
  const functions = new Map<string, Registered>();
  const clock = options.clock ?? systemClock;
  const arnPrefix = `arn:aws:lambda:${options.region ?? "eu-central-1"}:${options.accountId ?? "000000000000"}:function:`;

  function find(nameOrArn: string): readonly [string, Registered] {
    const name = functionNameOf(nameOrArn);
    const found = name === undefined ? undefined : functions.get(name);
    if (name !== undefined && found) return [name, found];
    const message = `Function not found: ${nameOrArn.startsWith("arn:") ? "" : arnPrefix}${nameOrArn}`;
    throw new LambdaServiceError("ResourceNotFoundException", 404, message);
  }

  return {
    register: (name, handler, { timeoutMs = TIMEOUT_MS } = {}) => {
      if (!NAME.test(name)) throw new Error(`Expected a function name, got ${name}`);
      functions.set(name, { handler, timeoutMs });
    },
    require: (nameOrArn) => find(nameOrArn)[0],
    invoke: async (nameOrArn, event, signal) => {
      const [name, { handler, timeoutMs }] = find(nameOrArn);
      const text = JSON.stringify(event ?? {});
      if (Buffer.byteLength(text) > PAYLOAD_BYTES_MAX) throw tooLarge(Buffer.byteLength(text));
      const requestId = randomUUID();
      const startedAt = clock.now();
      const context: FunctionContext = {
        functionName: name,
        functionVersion: "$LATEST",
        invokedFunctionArn: arnPrefix + name,
        awsRequestId: requestId,
        memoryLimitInMB: "1024",
        logGroupName: `/aws/lambda/${name}`,
        logStreamName: requestId,
        callbackWaitsForEmptyEventLoop: false,
        getRemainingTimeInMillis: () => Math.max(0, startedAt + timeoutMs - clock.now()),
      };
      const run = call(handler, text, context);
      return withDeadline(run, { clock, timeoutMs, requestId, signal });
    },
  };
}

/** The name of a function that is given by name, partial ARN or ARN, with or without a version. */
export function functionNameOf(nameOrArn: string): string | undefined {
  return FUNCTION.exec(nameOrArn)?.[1];
}

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
/** Pattern of FunctionName in Lambda's API reference. */
const FUNCTION =
  /^(?:arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:|\d{12}:function:)?([a-zA-Z0-9_-]{1,64})(?::(?:\$LATEST|[a-zA-Z0-9_-]+))?$/;

async function call(
  handler: FunctionHandler,
  event: string,
  context: FunctionContext,
): Promise<Invocation> {
  try {
    // Through JSON and back, as between two machines: caller and handler share no object.
    const text = JSON.stringify((await handler(JSON.parse(event), context)) ?? null);
    if (Buffer.byteLength(text) <= PAYLOAD_BYTES_MAX) return { payload: JSON.parse(text) };
    const limit = `Response payload size exceeded maximum allowed payload size (${PAYLOAD_BYTES_MAX} bytes).`;
    return failure("Function.ResponseSizeTooLarge", limit);
  } catch (error) {
    return thrown(error);
  }
}

type Deadline = {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly requestId: string;
  readonly signal: AbortSignal | undefined;
};

function withDeadline(run: Promise<Invocation>, deadline: Deadline): Promise<Invocation> {
  const { clock, timeoutMs, requestId, signal } = deadline;
  return new Promise((resolve, reject) => {
    const abort = () => {
      timer.clear();
      reject(new LambdaServiceError("AbortError", 499, "The caller has gone"));
    };
    const timer: Timer = clock.setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      const seconds = (timeoutMs / 1000).toFixed(2);
      const message = `RequestId: ${requestId} Error: Task timed out after ${seconds} seconds`;
      resolve(failure("Sandbox.Timedout", message));
    }, timeoutMs);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    void run.then((invocation) => {
      timer.clear();
      signal?.removeEventListener("abort", abort);
      resolve(invocation);
    });
  });
}

function failure(errorType: string, errorMessage: string): Invocation {
  return { payload: { errorType, errorMessage }, functionError: "Unhandled" };
}

/** The error document of Lambda's Node.js runtime. */
function thrown(error: unknown): Invocation {
  if (!(error instanceof Error)) {
    const payload = { errorType: typeof error, errorMessage: String(error), trace: [] };
    return { payload, functionError: "Unhandled" };
  }
  const trace = (error.stack ?? "").split("\n").slice(0, TRACE_LINES_MAX);
  const payload = { errorType: error.name, errorMessage: error.message, trace };
  return { payload, functionError: "Unhandled" };
}

function tooLarge(size: number): LambdaServiceError {
  const message = `Request must be smaller than ${PAYLOAD_BYTES_MAX} bytes for the InvokeFunction operation, got ${size}`;
  return new LambdaServiceError("RequestTooLargeException", 413, message);
}
