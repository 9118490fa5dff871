import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServiceLogger } from "../aws-json/answer.ts";
import { type Clock, systemClock } from "../clock.ts";
import { listenOnLoopback } from "../http/loopback-server.ts";
import { BodyTooLargeError, readBody } from "../http/read-body.ts";
import {
  type Credentials,
  createSignatureCheck,
  type SignatureCheck,
  SignatureError,
} from "../http/signature.ts";
import { openDatabase } from "../sqlite/open-database.ts";
import { Deliveries, type Invoke } from "./deliveries.ts";
import { SchedulerError } from "./errors.ts";
import { CreateSchedule, parse, ScheduleName } from "./input.ts";
import { createSchedules, SCHEDULES_SCHEMA, type Schedules } from "./schedules.ts";

export type SchedulerOptions = {
  /** Calls the target of a schedule. */
  readonly invoke: Invoke;
  /** A loopback address. Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Folder that keeps the schedules. Default: memory only. */
  readonly dataDir?: string;
  /** Which data folder its file belongs to: kept in the file. Default: none. */
  readonly generation?: number;
  /** What is answered survives a power cut. Default: the death of the process only. */
  readonly flush?: boolean;
  readonly clock?: Clock;
  /** The access key that requests must be signed with. Default: any key. */
  readonly credentials?: Credentials;
  readonly region?: string;
  readonly accountId?: string;
  readonly logger?: ServiceLogger;
};

export type Scheduler = {
  /** `http://host:port`, for `AWS_ENDPOINT_URL_SCHEDULER` or a client's `endpoint`. */
  readonly endpoint: string;
  /** Stops listening, and waits for deliveries under way. */
  close(): Promise<void>;
};

const BODY_BYTES_MAX = 64 * 1024;
const GROUP = "default";

/**
 * EventBridge Scheduler on loopback, for the AWS SDK's own client: CreateSchedule, GetSchedule,
 * ListSchedules (names only, one page) and DeleteSchedule of one-time schedules in UTC that call a
 * function and are deleted afterwards. Everything else is refused with an error that names it.
 *
 * @throws Error if `host` is not loopback, the port is taken or another process uses `dataDir`
 */
export async function startScheduler(options: SchedulerOptions): Promise<Scheduler> {
  const { dataDir, generation, flush, credentials, logger, clock = systemClock } = options;
  const database = openDatabase({
    dataDir,
    name: "scheduler",
    schema: SCHEDULES_SCHEMA,
    generation,
    flush,
  });
  const schedules = createSchedules(database, clock.now.bind(clock));
  const deliveries = new Deliveries({ schedules, clock, invoke: options.invoke, logger });
  const checkSignature = credentials && createSignatureCheck(credentials, "scheduler");
  const service = { ...options, schedules, deliveries, checkSignature };
  try {
    const handle = async (request: IncomingMessage, response: ServerResponse) => {
      try {
        send(response, 200, await answer(request, service));
      } catch (error) {
        sendError(response, error, logger);
      }
    };
    const server = await listenOnLoopback({ ...options, handle });
    deliveries.arm();
    return {
      endpoint: server.endpoint,
      close: async () => {
        await server.close();
        await deliveries.close();
        if (database.isOpen) database.close();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

type Service = SchedulerOptions & {
  readonly schedules: Schedules;
  readonly deliveries: Deliveries;
  readonly checkSignature: SignatureCheck | undefined;
};

async function answer(request: IncomingMessage, service: Service): Promise<object> {
  const { method, headers } = request;
  const url = new URL(request.url ?? "/", "http://localhost");
  const body = await readBody(request, BODY_BYTES_MAX);
  await service.checkSignature?.({ method, url: request.url, headers, body });
  const [, root, encoded, ...more] = url.pathname.split("/");
  if (root !== "schedules" || more.length > 0) throw unsupported(method, url);
  if (encoded === undefined) {
    if (method !== "GET") throw unsupported(method, url);
    return { Schedules: service.schedules.names().map((Name) => ({ Name, GroupName: GROUP })) };
  }
  const name = parse(ScheduleName, decodeURIComponent(encoded));
  if (method === "POST") return create(name, jsonOf(body), service);
  requireGroup(url.searchParams.get("groupName") ?? GROUP);
  if (method === "GET") return show(name, service);
  if (method !== "DELETE") throw unsupported(method, url);
  service.schedules.remove(service.schedules.get(name));
  service.deliveries.arm();
  return {};
}

function create(name: string, body: unknown, service: Service): object {
  const input = parse(CreateSchedule, body);
  requireGroup(input.GroupName);
  service.schedules.create(name, input);
  service.deliveries.arm();
  return { ScheduleArn: arnOf(name, service) };
}

function show(name: string, service: Service): object {
  const { input, createdMs } = service.schedules.get(name);
  const { ClientToken: _, ...shown } = input;
  const seconds = Math.floor(createdMs / 1000);
  return {
    ...shown,
    Name: name,
    Arn: arnOf(name, service),
    State: "ENABLED",
    CreationDate: seconds,
    LastModificationDate: seconds,
  };
}

function arnOf(name: string, { region = "us-east-1", accountId = "000000000000" }: Service) {
  return `arn:aws:scheduler:${region}:${accountId}:schedule/${GROUP}/${name}`;
}

function requireGroup(group: string): void {
  if (group === GROUP) return;
  throw new SchedulerError(
    "ResourceNotFoundException",
    `Schedule group ${group} does not exist: the local Scheduler has ${GROUP} only.`,
  );
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new SchedulerError("ValidationException", "The request body is not JSON.");
  }
}

function unsupported(method: string | undefined, { pathname }: URL): SchedulerError {
  const message = `${method} ${pathname} is not supported by the local Scheduler`;
  return new SchedulerError("ValidationException", message);
}

function sendError(
  response: ServerResponse,
  error: unknown,
  logger: ServiceLogger | undefined,
): void {
  if (error instanceof SchedulerError) {
    send(response, error.statusCode, { Message: error.message }, error.name);
  } else if (error instanceof SignatureError) {
    send(response, 403, { Message: error.message }, error.name);
  } else if (error instanceof BodyTooLargeError) {
    send(response, 400, { Message: error.message }, "ValidationException");
  } else {
    logger?.error({ err: error }, "request failed");
    send(response, 500, { Message: "Internal server error" }, "InternalServerException");
  }
}

function send(response: ServerResponse, status: number, body: object, errorType?: string): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    "content-type": "application/json",
    "x-amzn-requestid": randomUUID(),
    ...(errorType === undefined ? {} : { "x-amzn-errortype": errorType }),
  });
  response.end(JSON.stringify(body));
}
