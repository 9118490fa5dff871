import { AsyncLocalStorage } from "node:async_hooks";
import { documents } from "../../../functions/runtime/clients.ts";

/**
 * Calls `before` with the operation of each request to the table, ahead of it. What it rejects with
 * is the request's failure; its own requests are let through.
 *
 * @returns what ends that
 */
export function interceptTable(before: (operation: string) => Promise<void>): () => void {
  const { requestHandler } = documents().config;
  const { handle } = requestHandler;
  const inside = new AsyncLocalStorage<true>();
  requestHandler.handle = async (request, options) => {
    const [, operation = ""] = String(request.headers["x-amz-target"]).split(".");
    if (inside.getStore() === undefined) await inside.run(true, () => before(operation));
    return handle.call(requestHandler, request, options);
  };
  return () => {
    requestHandler.handle = handle;
  };
}
