import {
  InvalidToken,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  TaskDoesNotExist,
  TaskTimedOut,
} from "@aws-sdk/client-sfn";
import { stepFunctions } from "../clients.ts";
import { log } from "../log.ts";
import type { Settlement } from "../store/signals.ts";

/** Limits of SendTaskFailure. */
const ERROR_MAX = 256;
const CAUSE_MAX = 4_000;

/** Ends a wait. A token that is over already (twice settled, state timed out) is left alone. */
export async function settleToken(token: string, settlement: Settlement): Promise<void> {
  await unlessOver(
    settlement.ok
      ? stepFunctions().send(
          new SendTaskSuccessCommand({ taskToken: token, output: '{"ok":true}' }),
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

/** Says that what a state waits for is still under way; costs no state transition. */
export async function beatToken(token: string): Promise<void> {
  await unlessOver(stepFunctions().send(new SendTaskHeartbeatCommand({ taskToken: token })));
}

async function unlessOver(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const over =
      error instanceof TaskTimedOut ||
      error instanceof TaskDoesNotExist ||
      error instanceof InvalidToken;
    if (!over) throw error;
    log().debug({ reason: error.name }, "a token was over already");
  }
}
