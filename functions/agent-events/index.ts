import { handle, type LambdaContext, type LambdaEvent } from "hono/aws-lambda";
import { SignalRequest } from "../service/raise-signal.ts";
import { app } from "./app.ts";
import { continueEvacuation } from "./evacuations.ts";
import { interrupt, raiseSignals, settle } from "./signals.ts";

export { app };

const overHttp = handle(app);

/**
 * The only function that may complete task tokens. Agents call it over HTTP; other functions invoke it
 * with a {@link SignalRequest}.
 */
export async function handler(event: unknown, context?: LambdaContext): Promise<unknown> {
  if (isHttp(event)) return overHttp(event, context);
  const request = SignalRequest.parse(event);
  const at = new Date().toISOString();
  switch (request.do) {
    case "settle":
      await settle(request.migrationId, request.wait);
      return {};
    case "raise":
      await raiseSignals(request.migrationId, [
        { name: request.signal, outcome: { at, by: "cloud" } },
      ]);
      return {};
    case "continue-evacuation":
      await continueEvacuation(request.evacuationId);
      return {};
    case "interrupt":
      await interrupt(request.migrationId, {
        kind: request.reason,
        at,
        detail: request.detail,
      });
      return {};
  }
}

function isHttp(event: unknown): event is LambdaEvent {
  return typeof event === "object" && event !== null && "requestContext" in event;
}
