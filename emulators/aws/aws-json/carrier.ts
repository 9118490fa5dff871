import type { Reply, Sent } from "./answer.ts";
import { tooLarge } from "./aws-error.ts";

/**
 * Takes requests of an AWS SDK client to a service of the same process: set as its
 * `requestHandler`, the client does all that it does for HTTP, but no connection is made.
 */
export type Carrier = {
  handle(request: Carried): Promise<{ response: CarriedReply }>;
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
};

type Carried = {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
};

type CarriedReply = {
  statusCode: number;
  headers: Record<string, string>;
  body: Uint8Array;
};

/** In place of the SDK's own: nothing here looks at signatures. */
export const unsigned = { sign: async <T>(request: T): Promise<T> => request };

/** Requests are JSON text, as all of this protocol are; a longer body is refused. */
export function carrierTo(
  answer: (sent: Sent, gone: AbortController) => Promise<Reply>,
  bodyBytesMax: number,
): Carrier {
  return {
    async handle({ method, headers, body }) {
      const sent = { method, headers, body: () => textOf(body, bodyBytesMax) };
      const reply = await answer(sent, new AbortController());
      return { response: { ...reply, body: Buffer.from(reply.body) } };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}

function textOf(body: string | Uint8Array = "", bytesMax: number): string {
  const text = typeof body === "string" ? body : utf8(body);
  // A character has at most three bytes in UTF-8.
  if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax) throw tooLarge(bytesMax);
  return text;
}

/** Buffer.from(body) would ask it for its value first, which the SDK's bodies answer with a copy. */
function utf8({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
}
