import {
  InvalidToken,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  TaskDoesNotExist,
  TaskTimedOut,
} from "@aws-sdk/client-sfn";
import { skippableSignals, type WaitOutput } from "../../core/migration/wait-output.ts";
import { stepFunctions } from "../runtime/clients.ts";
import { log } from "../runtime/log.ts";
import type { Settlement, Signals } from "../store/signals.ts";

/** Limits of SendTaskFailure. */
const ERROR_MAX = 256;
const CAUSE_MAX = 4_000;

/**
 * Completes a token as the wait was settled. A success reports the other signals raised by now. A
 * token that has ended already (completed twice, or its state timed out) is ignored.
 */
export async function completeToken(
  token: string,
  settlement: Settlement,
  { raised }: Pick<Signals, "raised">,
): Promise<void> {
  const skippable = skippableSignals.filter(
    (name) => raised[name] !== undefined && raised[name].error === undefined,
  );
  const output: WaitOutput = { raised: skippable };
  await ignoreEndedToken(
    settlement.ok
      ? stepFunctions().send(
          new SendTaskSuccessCommand({
            taskToken: token,
            output: JSON.stringify(output),
          }),
        )
      : stepFunctions().send(
          new SendTaskFailureCommand({
            taskToken: token,
            error: settlement.error.name.slice(0, ERROR_MAX),
            cause: settlement.error.message.slice(0, CAUSE_MAX),
          }),
        ),
  );
}

/** Completes the token of an evacuation's workflow: it looks at what has changed. */
export async function completeWait(token: string): Promise<void> {
  const complete = new SendTaskSuccessCommand({ taskToken: token, output: "{}" });
  await ignoreEndedToken(stepFunctions().send(complete));
}

/**
 * Reports that a state's wait is still open. Step Functions charges no state transition for it. False
 * when the token has ended.
 */
export async function sendHeartbeat(token: string): Promise<boolean> {
  return ignoreEndedToken(stepFunctions().send(new SendTaskHeartbeatCommand({ taskToken: token })));
}

/** False when the token has ended. */
async function ignoreEndedToken(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    const hasEnded =
      error instanceof TaskTimedOut ||
      error instanceof TaskDoesNotExist ||
      error instanceof InvalidToken;
    if (!hasEnded) throw error;
    log().debug({ reason: error.name }, "a token had ended already");
    return false;
  }
}
