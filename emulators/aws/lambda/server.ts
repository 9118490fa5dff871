import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServiceLogger } from "../aws-json/answer.ts";
import { listenOnLoopback } from "../http/loopback-server.ts";
import { BodyTooLargeError, readBody } from "../http/read-body.ts";
import {
  type Credentials,
  createSignatureCheck,
  type SignatureCheck,
  SignatureError,
} from "../http/signature.ts";
import { type FunctionRegistry, LambdaServiceError, PAYLOAD_BYTES_MAX } from "./registry.ts";

export type LambdaOptions = {
  readonly registry: FunctionRegistry;
  /** A loopback address. Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** The access key that requests must be signed with. Default: any key. */
  readonly credentials?: Credentials;
  readonly logger?: ServiceLogger;
};

export type Lambda = {
  /** `http://host:port`, for `AWS_ENDPOINT_URL_LAMBDA` or a client's `endpoint`. */
  readonly endpoint: string;
  /** Stops listening and waits a few seconds for running events. */
  close(): Promise<void>;
};

/** Lambda's limit for an asynchronous request. */
const EVENT_BYTES_MAX = 1024 * 1024;
/** Asynchronous invocations that run at once; more are refused, as Lambda does. */
const EVENTS_MAX = 1000;
const DRAIN_MS = 5000;

/**
 * Serves Lambda's Invoke on loopback, with RequestResponse and Event, for an unmodified AWS SDK and
 * for other Step Functions engines.
 *
 * An asynchronous invocation is tried once: Lambda's two retries and dead letters are not offered.
 *
 * @throws Error if the port is taken
 */
export async function startLambda(options: LambdaOptions): Promise<Lambda> {
  const events = new Set<Promise<void>>();
  const { credentials } = options;
  const checkSignature = credentials && createSignatureCheck(credentials, "lambda");
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    try {
      await answer(request, response, { ...options, checkSignature }, events);
    } catch (error) {
      sendError(response, error, options.logger);
    }
  };
  const server = await listenOnLoopback({ ...options, handle });
  return {
    endpoint: server.endpoint,
    close: async () => {
      await server.close();
      await drain(events);
    },
  };
}

const PATH = /^\/2015-03-31\/functions\/([^/?]+)\/invocations$/;

type AnswerOptions = LambdaOptions & { readonly checkSignature: SignatureCheck | undefined };

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { registry, checkSignature, logger }: AnswerOptions,
  events: Set<Promise<void>>,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const name = PATH.exec(url.pathname)?.[1];
  if (request.method !== "POST" || name === undefined) {
    const message = `${request.method} ${url.pathname} is not supported: only Invoke is`;
    throw new LambdaServiceError("ResourceNotFoundException", 404, message);
  }
  const functionName = decodeURIComponent(name);
  const event = await readEvent(request, checkSignature);
  registry.require(functionName);
  const type = request.headers["x-amz-invocation-type"] ?? "RequestResponse";
  switch (type) {
    case "RequestResponse": {
      const gone = new AbortController();
      response.once("close", () => gone.abort());
      const { payload, functionError } = await registry.invoke(functionName, event, gone.signal);
      const headers = functionError && { "x-amz-function-error": functionError };
      return send(response, 200, JSON.stringify(payload), headers);
    }
    case "Event": {
      if (events.size >= EVENTS_MAX) {
        throw new LambdaServiceError("TooManyRequestsException", 429, "Rate exceeded");
      }
      const work = invokeLater(registry, functionName, event, logger);
      events.add(work);
      void work.finally(() => events.delete(work));
      return send(response, 202, "");
    }
    case "DryRun":
      return send(response, 204, "");
    default:
      throw invalid(`Value '${type}' at 'invocationType' is not RequestResponse, Event or DryRun`);
  }
}

async function readEvent(
  request: IncomingMessage,
  checkSignature: SignatureCheck | undefined,
): Promise<unknown> {
  const isEvent = request.headers["x-amz-invocation-type"] === "Event";
  const text = await readBody(request, isEvent ? EVENT_BYTES_MAX : PAYLOAD_BYTES_MAX);
  const { method, url, headers } = request;
  await checkSignature?.({ method, url, headers, body: text });
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `Could not parse request body into json: ${(error as Error).message}`;
    throw new LambdaServiceError("InvalidRequestContentException", 400, message);
  }
}

async function invokeLater(
  registry: FunctionRegistry,
  name: string,
  event: unknown,
  logger: ServiceLogger | undefined,
): Promise<void> {
  try {
    const { payload, functionError } = await registry.invoke(name, event);
    if (functionError) logger?.error({ name, payload }, "asynchronous invocation failed");
  } catch (error) {
    logger?.error({ name, err: error }, "asynchronous invocation failed");
  }
}

function sendError(
  response: ServerResponse,
  error: unknown,
  logger: ServiceLogger | undefined,
): void {
  const known = asServiceError(error);
  if (known instanceof LambdaServiceError) {
    const body = JSON.stringify({ Type: "User", Message: known.message, message: known.message });
    send(response, known.statusCode, body, { "x-amzn-errortype": known.name });
    return;
  }
  logger?.error({ err: error }, "request failed");
  const body = JSON.stringify({ Type: "Service", Message: "Internal server error" });
  send(response, 500, body, { "x-amzn-errortype": "ServiceException" });
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> | undefined = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    "content-type": "application/json",
    "x-amzn-requestid": randomUUID(),
    "x-amz-executed-version": "$LATEST",
    ...headers,
  });
  response.end(body);
}

function invalid(message: string): LambdaServiceError {
  return new LambdaServiceError("InvalidParameterValueException", 400, message);
}

function asServiceError(error: unknown): unknown {
  if (error instanceof BodyTooLargeError) {
    return new LambdaServiceError("RequestTooLargeException", 413, error.message);
  }
  if (error instanceof SignatureError) {
    return new LambdaServiceError(error.name, 403, error.message);
  }
  return error;
}

async function drain(events: ReadonlySet<Promise<void>>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DRAIN_MS);
  });
  await Promise.race([Promise.all(events), deadline]);
  clearTimeout(timer);
}
