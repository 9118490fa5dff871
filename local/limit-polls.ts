import type { RequestListener } from "node:http";
import { secondsToWait } from "../functions/http/limit-rate.ts";

/**
 * Refuses an address that asks the queues too often, before a signature is checked. It is refused as
 * SQS does it, so that the SDK's clients wait.
 */
export function limitPolls(queues: RequestListener): RequestListener {
  return (request, response) => {
    const address = request.socket.remoteAddress ?? "an unknown address";
    const seconds = secondsToWait("polls", address);
    if (seconds === undefined) return queues(request, response);
    const message = `${address} asks too often: ask again in ${seconds} s`;
    response.writeHead(429, {
      "content-type": "application/x-amz-json-1.0",
      "retry-after": String(seconds),
      // What comes of the body is not read.
      connection: "close",
    });
    response.end(JSON.stringify({ __type: "com.amazonaws.sqs#RequestThrottled", message }));
  };
}
