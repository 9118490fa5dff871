import type { FunctionName } from "./functions.ts";
import type { StateMachineName } from "./state-machines.ts";

/** A host's queue is named by the prefix and the host's id: SQS allows 80 characters in all. */
const STAGE = /^[a-z][a-z0-9]{0,11}$/;

/** The name of the stage that is protected and kept: see sst.config.ts. */
export const PRODUCTION = "production";

export type Names = {
  table: string;
  function: (name: FunctionName) => string;
  stateMachine: (name: StateMachineName) => string;
  hostQueuePrefix: string;
  deadLetterQueue: string;
  scheduleGroup: string;
  schedulerRole: string;
};

/**
 * Names of everything on AWS. They are fixed by the stage, so that rights and settings can name what is
 * created later, and stages in one account do not meet.
 *
 * @throws Error for a stage that cannot be part of these names
 */
export function namesOf(stage: string): Names {
  if (!STAGE.test(stage)) {
    throw new Error(
      `Expected a stage of 1 to 12 lower-case letters and digits, a letter first, got \`${stage}\`: ` +
        "name it by --stage",
    );
  }
  const prefix = `switchyard-${stage}`;
  return {
    table: prefix,
    function: (name) => `${prefix}-${name}`,
    stateMachine: (name) => `${prefix}-${name}`,
    hostQueuePrefix: `sy-${stage}-`,
    deadLetterQueue: `${prefix}-dead-letters`,
    scheduleGroup: prefix,
    schedulerRole: `${prefix}-scheduler`,
  };
}
