import { createHmac } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Receivers } from "./receiver-kinds.ts";
import { pinnedLookup, requireReceiver } from "./receivers.ts";

const MS_MAX = 15_000;
/** What is read of an answer, and what is kept of it. */
const READ_BYTES_MAX = 64 * 1024;
const KEPT_CHARACTERS = 1_000;
const HEADER_BYTES_MAX = 8 * 1024;

export type Post = {
  readonly url: string;
  readonly id: string;
  readonly body: string;
  /** Each signs: of a secret and the one before it the receiver may have either. */
  readonly secrets: readonly string[];
  readonly receivers: Receivers;
  /** For all of it: name, connection, answer (default: 15 s). */
  readonly msMax?: number;
};

export type Posted = {
  readonly status: number;
  readonly answer: string;
  readonly retryAfter: string | undefined;
};

const underWay = new Set<ClientRequest>();

/** Ends the tries that are under way in this process: they count as failed, and come again. */
export function endPosts(): void {
  for (const request of underWay) request.destroy(new Error("the control plane was stopped"));
}

/**
 * Posts a body once, signed as Standard Webhooks says. Redirects are not followed.
 *
 * @throws ForbiddenReceiver before anything is sent
 * @throws Error when no answer has begun in time
 */
export async function postWebhook(post: Post): Promise<Posted> {
  const { url, id, body, secrets, receivers, msMax = MS_MAX } = post;
  const target = new URL(url);
  requireReceiver(target, receivers);
  const timestamp = Math.floor(Date.now() / 1_000);
  const signatures = secrets.map((secret) => signatureOf(secret, `${id}.${timestamp}.${body}`));
  const send = target.protocol === "https:" ? requestHttps : requestHttp;
  const request = send(target, {
    method: "POST",
    agent: false,
    lookup: pinnedLookup(receivers),
    maxHeaderSize: HEADER_BYTES_MAX,
    signal: AbortSignal.timeout(msMax),
    headers: {
      "content-type": "application/cloudevents+json; charset=utf-8",
      "content-length": Buffer.byteLength(body),
      "user-agent": "switchyard-webhooks/1",
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signatures.join(" "),
    },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.on("error", reject);
  });
  underWay.add(request);
  request.once("close", () => underWay.delete(request));
  request.end(body);
  const response = await answered;
  try {
    const answer = await readSome(response);
    const { statusCode: status = 0, headers } = response;
    return { status, answer, retryAfter: headers["retry-after"] };
  } finally {
    request.destroy();
  }
}

function signatureOf(secret: string, text: string): string {
  const key = Buffer.from(secret.slice(secret.indexOf("_") + 1), "base64");
  return `v1,${createHmac("sha256", key).update(text).digest("base64")}`;
}

/** The beginning of an answer; what is longer, or does not come, is left. The status says enough. */
async function readSome(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length;
      parts.push(part);
      if (bytes > READ_BYTES_MAX) break;
    }
  } catch {
    // The connection broke, or the time is over.
  }
  return Buffer.concat(parts).toString("utf8").slice(0, KEPT_CHARACTERS);
}
