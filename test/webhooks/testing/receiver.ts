import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

export type Received = { path: string; headers: IncomingHttpHeaders; body: string };

/** A receiver of webhooks on loopback, which answers as it is told. */
export class Receiver {
  readonly received: Received[] = [];
  answer: (response: ServerResponse) => void = accept;
  readonly #server = createServer(async (request, response) => {
    const { url: path = "", headers } = request;
    this.received.push({ path, headers, body: await text(request) });
    this.answer(response);
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Expected a port");
    return `http://127.0.0.1:${address.port}/hook`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

export function accept(response: ServerResponse): void {
  response.writeHead(204).end();
}

/** Answers with this status, and headers. */
export function refuse(status: number, headers: Record<string, string> = {}) {
  return (response: ServerResponse): void => {
    response.writeHead(status, headers).end("not now");
  };
}
