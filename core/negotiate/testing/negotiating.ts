import type { SourceProbe, TargetProbe } from "../../protocol/probe.ts";
import { Agreement, Blocker } from "../agreement.ts";
import { negotiate } from "../negotiate.ts";
import { MigrationPolicy } from "../policy.ts";
import {
  commonMachine,
  type KnownRelease,
  sourceProbe,
  targetProbe,
  vmDefinition,
} from "./probes.ts";

/** What differs from a plain guest with QEMU 10.0 at both sides. */
export type Case = {
  from?: KnownRelease;
  to?: KnownRelease;
  policy?: Record<string, unknown>;
  source?: Partial<SourceProbe>;
  target?: Partial<TargetProbe>;
  definition?: Record<string, unknown>;
};

function run({ from = "10.0", to = from, policy = {}, source, target, definition }: Case) {
  const machineType = commonMachine(from, to);
  return negotiate({
    source: sourceProbe(from, { machineType, ...source }),
    target: targetProbe(to, target),
    policy: MigrationPolicy.parse(policy),
    definition: vmDefinition(definition),
  });
}

/** @throws Error with the blockers, if there are any */
export function agree(input: Case): Agreement {
  const result = run(input);
  if (!result.agreed) throw new Error(JSON.stringify(result.blockers, null, 1));
  return Agreement.parse(result.agreement);
}

/** @throws Error if there is an agreement */
export function refuse(input: Case): Blocker[] {
  const result = run(input);
  if (result.agreed) throw new Error("Expected a refusal");
  return result.blockers.map((blocker) => Blocker.parse(blocker));
}

/** Names of the capabilities that are on. */
export const on = (side: { capabilities: Record<string, boolean> }) =>
  Object.keys(side.capabilities)
    .filter((name) => side.capabilities[name])
    .toSorted();
/** The reason of the choice about a subject. */
export const reason = ({ choices }: Agreement, subject: string) =>
  choices.find((choice) => choice.subject === subject)?.reason;
