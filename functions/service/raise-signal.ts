import { InvokeCommand } from "@aws-sdk/client-lambda";
import * as z from "zod";
import { EvacuationId, MigrationId } from "../../core/id.ts";
import { functions } from "../runtime/clients.ts";
import { config } from "../runtime/config.ts";

/**
 * Requests of other functions to agent-events, the only function that may complete task tokens. They
 * carry no tokens: agent-events reads those itself.
 */
export const SignalRequest = z.discriminatedUnion("do", [
  /** Completes the token of a wait that was settled when it was registered. */
  z.strictObject({
    kind: z.literal("signal"),
    do: z.literal("settle"),
    migrationId: MigrationId,
    wait: z.string(),
  }),
  /** Raises a signal. */
  z.strictObject({
    kind: z.literal("signal"),
    do: z.literal("raise"),
    migrationId: MigrationId,
    signal: z.string(),
  }),
  /** Fails every interruptible wait. */
  z.strictObject({
    kind: z.literal("signal"),
    do: z.literal("interrupt"),
    migrationId: MigrationId,
    reason: z.enum(["cancelled", "failed", "waived"]),
    detail: z.string().max(4000),
  }),
  /** Completes the token of an evacuation's workflow that waits. */
  z.strictObject({
    kind: z.literal("signal"),
    do: z.literal("continue-evacuation"),
    evacuationId: EvacuationId,
  }),
]);
export type SignalRequest = z.infer<typeof SignalRequest>;

type Request = SignalRequest extends infer R
  ? R extends unknown
    ? Omit<R, "kind">
    : never
  : never;

/**
 * Asks agent-events to settle a wait, raise a signal, or interrupt.
 *
 * @throws Error when agent-events cannot be reached or fails
 */
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
  const { do: wish } = request;
  const id = wish === "continue-evacuation" ? request.evacuationId : request.migrationId;
  throw new Error(`Failed to raise a signal for ${id}`, {
    cause: new Error(`${FunctionError}: ${answer}`),
  });
}
