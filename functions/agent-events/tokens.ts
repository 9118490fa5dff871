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
 * Ends a wait; a success tells what else has happened by now. A token that is over already (twice
 * settled, state timed out) is left alone.
 */
export async function settleToken(
  token: string,
  settlement: Settlement,
  { happened }: Pick<Signals, "happened">,
): Promise<void> {
  const raised = skippableSignals.filter(
    (name) => happened[name]?.error === undefined && name in happened,
  );
  const output: WaitOutput = { raised };
  await unlessOver(
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
