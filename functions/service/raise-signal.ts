import { InvokeCommand } from "@aws-sdk/client-lambda";
import { z } from "zod";
import { MigrationId } from "../../core/id.ts";
import { functions } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";

/**
 * What other functions ask of agent-events, the only one that may complete task tokens. Tokens are
 * not passed on: it reads them itself.
 */
export const SignalRequest = z.discriminatedUnion("do", [
  /** A wait was registered whose end has come already: complete its token. */
  z.strictObject({
    kind: z.literal("signal"),
    do: z.literal("settle"),
    migrationId: MigrationId,
    wait: z.string(),
  }),
  z.strictObject({
    kind: z.literal("signal"),
    do: z.literal("happen"),
    migrationId: MigrationId,
    signal: z.string(),
  }),
  z.strictObject({
    kind: z.literal("signal"),
    do: z.literal("interrupt"),
    migrationId: MigrationId,
    reason: z.enum(["cancelled", "failed", "waived"]),
    detail: z.string().max(4000),
  }),
]);
export type SignalRequest = z.infer<typeof SignalRequest>;

type Request = SignalRequest extends infer R
  ? R extends unknown
    ? Omit<R, "kind">
    : never
  : never;

/** @throws Error when agent-events cannot be reached or fails */
export async function raise(request: Request): Promise<void> {
  const { FunctionError, Payload } = await functions().send(
    new InvokeCommand({
      FunctionName: config().agentEventsFunction,
      InvocationType: "RequestResponse",
      Payload: JSON.stringify({ kind: "signal", ...request }),
    }),
  );
  if (FunctionError === undefined) return;
  const answer = Payload === undefined ? "" : Buffer.from(Payload).toString("utf8").slice(0, 500);
  throw new Error(`Failed to raise a signal for ${request.migrationId}`, {
    cause: new Error(`${FunctionError}: ${answer}`),
  });
}
