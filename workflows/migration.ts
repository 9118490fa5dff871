import { executionInput } from "../core/migration/execution-input.ts";
import { awaitAck } from "./ack.ts";
import type { Definition, State } from "./asl.ts";
import { counters } from "./catchers.ts";
import { complete } from "./completion.ts";
import { admit, awaitSlots, prepare, transfer } from "./forward.ts";
import { EXECUTION_SECONDS_MAX } from "./limits.ts";
import type { MigrationRefs } from "./payloads.ts";
import { postcopy } from "./postcopy.ts";
import { wayBack } from "./way-back.ts";

/**
 * One migration. Forward: Probe → Negotiate → Prepare → Precopy → AwaitAck → Switchover → Confirm
 * → Complete → Discard, with Admit → AwaitTurn before it where a host was full, and AwaitSlots
 * before Precopy where a host had no transfer slot; waits for signals that are raised already are
 * skipped. Any failure once the target exists leads to the way back, Observe → Reconcile → Undo,
 * until core/migration/reconcile.ts decides on an end. Where the guest is to stay, the source is
 * cancelled first (CancelSource).
 *
 * Nothing polls: every wait is a task token, so the forward path takes 9 to 17 transitions, however
 * long the migration lasts. A missed heartbeat is not a failure: the state is entered again (same
 * command ids, so nothing is done twice), and only then are both sides observed.
 */
export function migrationDefinition<Ref>(refs: MigrationRefs<Ref>): Definition {
  return {
    Comment: "Moves one running guest from one host to another",
    QueryLanguage: "JSONata",
    StartAt: "Begin",
    TimeoutSeconds: EXECUTION_SECONDS_MAX,
    States: {
      Begin: begin,
      ...admit(refs),
      ...prepare(refs),
      ...awaitSlots(refs),
      ...transfer(refs),
      ...awaitAck(refs),
      ...complete(refs),
      ...postcopy(refs),
      ...wayBack(refs),
    },
  };
}

const LOST = "the execution of this migration had ended without recording an end";
const isLost = `$exists(${executionInput("lost")})`;

const begin: State = {
  Type: "Choice",
  Comment:
    "Continues at the way back when an end was unknown or an execution lost; passes on when there was room",
  Choices: [
    {
      Condition: `{% $exists(${executionInput("turn")}) %}`,
      Next: "Observe",
      Assign: {
        ...counters,
        turn: `{% ${executionInput("turn")} %}`,
        // Attempts go on from here, and none of an earlier execution got so far: ids do not repeat.
        recovery: `{% ${executionInput("turn")} * 100 %}`,
        errorName: `{% ${isLost} ? 'ExecutionLost' : 'UnknownState' %}`,
        errorCause: `{% ${isLost} ? '${LOST}' : 'a person asked to observe both sides again' %}`,
      },
    },
    { Condition: `{% $exists(${executionInput("admitted")}) %}`, Next: "Probe" },
  ],
  Default: "Admit",
};
