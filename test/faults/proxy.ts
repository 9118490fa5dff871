import { createHash, generateKeyPairSync } from "node:crypto";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { HostId } from "../../core/id.ts";
import type { Command } from "../../core/protocol/command.ts";
import { CommandEnvelope, commandText } from "../../core/protocol/command.ts";
import { EventBatch, type EventBody } from "../../core/protocol/event.ts";
import { exportPrivateKey, keyIdOf, publicKeyOf, signText } from "../../core/protocol/signature.ts";
import { signatureOf } from "../../emulators/aws/http/signature.ts";
import { queueAccessOf } from "../../functions/runtime/queue-access.ts";
import { hostQueueSecretOf } from "../../local/host-principals.ts";

/** The access key of a local cloud behind the proxy, which signs what it changes again. */
const LOCAL_KEY = { accessKeyId: "local", secretAccessKey: "local" };
/** The key that this cloud signs commands with, and the proxy those that it changes. */
const { privateKey: commandKey } = generateKeyPairSync("ed25519");
/** Environment of that cloud and its agents. */
export const proxyEnvironment = {
  AWS_ACCESS_KEY_ID: LOCAL_KEY.accessKeyId,
  AWS_SECRET_ACCESS_KEY: LOCAL_KEY.secretAccessKey,
  COMMAND_SIGNING_KEY: exportPrivateKey(commandKey),
};

export type ProxyHooks = {
  /** A command on its way to its host; the returned command is delivered in its place. */
  onCommand(command: Command): Promise<Command>;
  /** An event on its way to the cloud. */
  onEvent(body: EventBody, host: string): Promise<void>;
};

/** What the proxy does to all messages; all off at first. */
export type Weather = {
  refuse: "503" | "reset" | undefined;
  /** The call takes effect, and its answer is lost. */
  loseAnswers: boolean;
  duplicateCommands: boolean;
  delayCommandsMs: number;
  duplicateEvents: boolean;
  delayEventsMs: number;
  /** The next command is delivered after the one that follows it, or late. */
  reorderCommands: boolean;
  /** The sender of the next batch gets no answer; it is delivered after the one that follows. */
  reorderEvents: boolean;
  /** Each call takes this much longer. */
  slowMs: number;
};

const FAIR: Weather = {
  refuse: undefined,
  loseAnswers: false,
  duplicateCommands: false,
  delayCommandsMs: 0,
  duplicateEvents: false,
  delayEventsMs: 0,
  reorderCommands: false,
  reorderEvents: false,
  slowMs: 0,
};
/** Delay of a reordered command that no other follows. */
const REORDER_MS = 5_000;

type Message = { MessageId: string; ReceiptHandle: string; MD5OfBody: string; Body: string };
type Answer = { status: number; headers: Record<string, string>; body: string };
type Upstream = { apiPort: number; sqsPort: number };

/**
 * A proxy between the agents and the cloud, on loopback: it forwards what agents post and what they
 * receive from their queues, and delays, duplicates, reorders or loses it.
 */
export class FaultyProxy {
  weather: Weather = { ...FAIR };
  hooks: ProxyHooks | undefined;
  readonly port: number;
  readonly #server: ReturnType<typeof createServer>;
  readonly #upstream: Upstream;
  readonly #sockets = new Set<Socket>();
  /** Duplicates and delayed messages, by queue. */
  readonly #late = new Map<string, { message: Message; atMs: number }[]>();
  /** Commands that wait for the next one. */
  readonly #overtaken = new Set<Message>();
  /** Batches whose sender got no answer, by host. */
  readonly #stray = new Map<string, { incoming: IncomingMessage; body: string }>();

  private constructor(server: ReturnType<typeof createServer>, port: number, upstream: Upstream) {
    this.#server = server;
    this.port = port;
    this.#upstream = upstream;
  }

  static async start(upstream: Upstream): Promise<FaultyProxy> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("Expected a TCP port");
    const proxy = new FaultyProxy(server, address.port, upstream);
    server.on("connection", (socket) => {
      proxy.#sockets.add(socket);
      socket.on("close", () => proxy.#sockets.delete(socket));
    });
    server.on("request", (incoming, response) => {
      proxy.#serve(incoming, response).catch(() => incoming.socket.resetAndDestroy());
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Forwards everything unchanged again. */
  clear(): void {
    this.weather = { ...FAIR };
    this.hooks = undefined;
    this.#overtaken.clear();
    this.#stray.clear();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(incoming);
    const { refuse } = this.weather;
    if (refuse === "reset") return void incoming.socket.resetAndDestroy();
    if (refuse === "503") {
      response.writeHead(503, { "content-type": "application/json" }).end('{"message":"down"}');
      return;
    }
    if (this.weather.slowMs > 0) await sleep(this.weather.slowMs);
    const closed = new AbortController();
    response.on("close", () => closed.abort());
    const answer = (incoming.url ?? "").startsWith("/agent/")
      ? await this.#post(incoming, body, closed.signal)
      : await this.#queue(incoming, body, closed.signal);
    if (this.weather.loseAnswers || this.weather.refuse !== undefined) {
      incoming.socket.resetAndDestroy();
      return;
    }
    response.writeHead(answer.status, {
      ...answer.headers,
      "content-length": String(Buffer.byteLength(answer.body)),
    });
    response.end(answer.body);
  }

  async #post(incoming: IncomingMessage, body: string, signal: AbortSignal): Promise<Answer> {
    const batch = EventBatch.safeParse(parse(body));
    if (batch.success) {
      const { host, events } = batch.data;
      for (const event of events) await this.hooks?.onEvent(event.body, host);
      if (this.weather.delayEventsMs > 0) await sleep(this.weather.delayEventsMs);
    }
    const { apiPort } = this.#upstream;
    const host = batch.success ? batch.data.host : "";
    if (this.weather.reorderEvents && batch.success) {
      this.weather.reorderEvents = false;
      this.#stray.set(host, { incoming, body });
      throw new Error("Lost on the way");
    }
    const answer = await forward(apiPort, incoming, body, signal);
    const stray = this.#stray.get(host);
    this.#stray.delete(host);
    if (stray) await forward(apiPort, stray.incoming, stray.body, signal);
    if (!this.weather.duplicateEvents || !batch.success) return answer;
    return forward(apiPort, incoming, body, signal);
  }

  async #queue(incoming: IncomingMessage, body: string, signal: AbortSignal): Promise<Answer> {
    const { sqsPort } = this.#upstream;
    const target = String(incoming.headers["x-amz-target"] ?? "");
    if (!target.endsWith("ReceiveMessage")) return forward(sqsPort, incoming, body, signal);
    const call = parse(body) as { QueueUrl?: string; WaitTimeSeconds?: number };
    const queue = call.QueueUrl ?? "";
    const due = await this.#due(queue);
    if (due.length > 0) return jsonAnswer({ Messages: due });
    // Short polls while something is held back, so that it is delivered in time.
    const waitSeconds = this.#late.get(queue)?.length ? 1 : call.WaitTimeSeconds;
    const asked = JSON.stringify({ ...call, WaitTimeSeconds: waitSeconds });
    const sent = asked === body ? incoming : await signAgain(incoming, asked);
    const answer = await forward(sqsPort, sent, asked, signal);
    const { Messages: messages = [] } = parse(answer.body) as { Messages?: Message[] };
    if (messages.length === 0) return answer;
    const passed: Message[] = [];
    for (const message of messages) passed.push(...(await this.#deliver(queue, message)));
    return jsonAnswer(passed.length === 0 ? {} : { Messages: passed });
  }

  async #deliver(queue: string, message: Message): Promise<Message[]> {
    const changed = await this.#rewrite(message);
    const { delayCommandsMs, duplicateCommands, reorderCommands } = this.weather;
    const keep = (atMs: number) => {
      this.#late.set(queue, [...(this.#late.get(queue) ?? []), { message: changed, atMs }]);
    };
    for (const entry of this.#late.get(queue) ?? []) {
      if (this.#overtaken.delete(entry.message)) entry.atMs = Date.now();
    }
    if (reorderCommands) {
      this.weather.reorderCommands = false;
      this.#overtaken.add(changed);
      keep(Date.now() + REORDER_MS);
      return [];
    }
    if (duplicateCommands) keep(Date.now() + 300);
    if (delayCommandsMs === 0) return [changed];
    // Commands that arrive meanwhile overtake it.
    keep(Date.now() + delayCommandsMs);
    return [];
  }

  async #rewrite(message: Message): Promise<Message> {
    const envelope = CommandEnvelope.safeParse(parse(message.Body));
    if (!envelope.success || !this.hooks) return message;
    const command = await this.hooks.onCommand(envelope.data.command);
    const sent: unknown = JSON.parse(JSON.stringify(command));
    const signature = signText(commandKey, commandText(sent));
    const keyId = keyIdOf(publicKeyOf(commandKey));
    const body = JSON.stringify({ version: 2, command, keyId, signature });
    return { ...message, Body: body, MD5OfBody: createHash("md5").update(body).digest("hex") };
  }

  async #due(queue: string): Promise<Message[]> {
    const late = this.#late.get(queue) ?? [];
    const due = late.filter(({ atMs }) => atMs <= Date.now());
    this.#late.set(
      queue,
      late.filter((entry) => !due.includes(entry)),
    );
    return due.map(({ message }) => message);
  }
}

type Head = Pick<IncomingMessage, "method" | "url" | "headers">;

/** The head of a request whose body the proxy has changed, signed again as its host signs it. */
async function signAgain({ method, url, headers }: Head, body: string): Promise<Head> {
  const changed: IncomingHttpHeaders = {
    ...headers,
    "content-length": String(Buffer.byteLength(body)),
  };
  if (changed["x-amz-content-sha256"] !== undefined) {
    changed["x-amz-content-sha256"] = createHash("sha256").update(body).digest("hex");
  }
  const request = { method, url, headers: changed, body };
  const signature = await signatureOf(request, hostKey(String(headers.authorization)));
  const authorization = changed.authorization?.replace(/[0-9a-f]{64}$/, signature);
  return { method, url, headers: { ...changed, ...(authorization && { authorization }) } };
}

/** The access key of a host that the local cloud has made from its own. */
function hostKey(authorization: string) {
  const [, host = "", keyId = ""] = /Credential=host\.([^.]+)\.([^/]+)/.exec(authorization) ?? [];
  const secret = hostQueueSecretOf(LOCAL_KEY.secretAccessKey);
  return queueAccessOf(secret, HostId.parse(host), keyId);
}

function forward(
  port: number,
  { method, url, headers }: Head,
  body: string,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { "content-length": _, connection: __, ...rest } = headers;
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        method,
        path: url,
        signal,
        agent: false,
        headers: { ...rest, "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        readAll(response).then((text) => {
          const type = String(response.headers["content-type"] ?? "application/json");
          resolve({
            status: response.statusCode ?? 502,
            headers: { "content-type": type },
            body: text,
          });
        }, reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

async function readAll(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function jsonAnswer(body: object): Answer {
  return {
    status: 200,
    headers: { "content-type": "application/x-amz-json-1.0" },
    body: JSON.stringify(body),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
