import { setImmediate } from "node:timers/promises";
import type { Received, Reply } from "./answer.ts";
import { tooLarge } from "./aws-error.ts";

/**
 * A `requestHandler` for an AWS SDK client whose service runs in the same process: the client does
 * all that it does for HTTP, but no connection is made.
 */
export type InProcessTransport = {
  handle(request: ClientRequest): Promise<{ response: ClientResponse }>;
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
};

type ClientRequest = {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
};

type ClientResponse = {
  statusCode: number;
  headers: Record<string, string>;
  body: Uint8Array;
};

export type InProcessOptions = {
  /** A longer body is refused. */
  readonly bodyBytesMax: number;
  /**
   * The caller gets its answer one turn of the event loop later, so that work which the operation
   * started goes first, as it would in a process of its own.
   */
  readonly yieldsToWork: boolean;
};

export function createInProcessTransport(
  answer: (received: Received, gone: AbortController) => Promise<Reply>,
  { bodyBytesMax, yieldsToWork }: InProcessOptions,
): InProcessTransport {
  return {
    async handle({ method, headers, body }) {
      const received = { method, headers, body: () => textOf(body, bodyBytesMax) };
      const reply = await answer(received, new AbortController());
      if (yieldsToWork) await setImmediate();
      return { response: { ...reply, body: Buffer.from(reply.body) } };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}

function textOf(body: string | Uint8Array = "", bytesMax: number): string {
  const text = typeof body === "string" ? body : decodeUtf8(body);
  // A character has at most three bytes in UTF-8.
  if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax) throw tooLarge(bytesMax);
  return text;
}

/** `Buffer.from(body)` calls `valueOf()` first; the SDK's body answers with a decoded copy. */
function decodeUtf8({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
}
