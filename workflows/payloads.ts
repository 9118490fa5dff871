import { executionInput } from "../core/migration/execution-input.ts";
import type { Phase } from "../core/migration/migration.ts";
import type { MigrationTask } from "../core/migration/tasks.ts";
import type { Verb } from "../core/protocol/command.ts";
import type { Expression, Refs } from "./asl.ts";

/** The functions that a migration calls: an ARN each, or a reference that resolves to one. */
export type MigrationRefs<Ref> = Refs<MigrationTask, Ref>;

/** Commands that a task sends; `step` becomes part of the command's id. */
export type Commands = readonly { step: string; verb: Verb; side: "source" | "target" }[];

const MIGRATION_ID: Expression = `{% ${executionInput("migrationId")} %}`;
const PARTIES: Expression = `{% ${executionInput("parties")} %}`;
const TOKEN: Expression = "{% $states.context.Task.Token %}";
/** The state that calls the function, for the function's log. */
const STATE: Expression = "{% $states.context.State.Name %}";

/** Arguments of a task that ends when its function returns. */
export function payload<Ref>(functionName: Ref, rest: object = {}) {
  return {
    FunctionName: functionName,
    Payload: { migrationId: MIGRATION_ID, state: STATE, ...rest },
  };
}

/** Arguments of a task that ends when its token is completed. */
export function tokenPayload<Ref>(functionName: Ref, rest: object = {}) {
  return payload(functionName, { taskToken: TOKEN, ...rest });
}

/** Arguments of a task that sends commands and ends when all of them are answered. */
export function relayPayload<Ref>(
  { relay }: Pick<MigrationRefs<Ref>, "relay">,
  rest: {
    commands: Commands | Expression;
    /** Part of the commands' ids: another attempt is another command. */
    attempt: number | Expression;
    /** A cancel or a failure event ends the task. */
    interruptible: boolean;
    phase?: Phase;
    /** The signal to wait for after the answers. */
    awaits?: string;
    /** A prepared migration takes its transfer slots first. */
    takesSlots?: Expression;
  },
) {
  return tokenPayload(relay, { parties: PARTIES, ...rest });
}

/** Arguments of a task that waits for a signal. */
export function signalPayload<Ref>(
  refs: Pick<MigrationRefs<Ref>, "await-signal">,
  rest: {
    signal: string;
    phase: Phase;
    /** A cancel or a failure event ends the task; by default true. */
    interruptible?: boolean;
    /** The next pause of postcopy, from 1 on: it ends the task. */
    pause?: number | Expression;
  },
) {
  return tokenPayload(refs["await-signal"], rest);
}
