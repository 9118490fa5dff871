import type { SideSettings } from "../protocol/side-settings.ts";
import { planAck } from "./ack.ts";
import type { Agreement, Blocker, Choice, NegotiationResult } from "./agreement.ts";
import { findBlockers } from "./blockers.ts";
import { explainCapabilities, explainFlags } from "./choices.ts";
import { type ChosenParameters, chooseParameters } from "./choose-parameters.ts";
import { planCopies } from "./copies.ts";
import { cpuBlockers, explainHostCpus } from "./cpu.ts";
import { guestClockBlockers } from "./guest-clock.ts";
import { hookBlockers, withHooks } from "./hooks.ts";
import { type ClockOffsets, explainHostClocks } from "./host-clocks.ts";
import { withLadder } from "./ladder-plan.ts";
import { findMachine } from "./machine.ts";
import type { MigrationPolicy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import { refusedPartBlockers, resourceNameBlockers } from "./resources.ts";
import { type Settlement, settle } from "./settle.ts";
import { type BothSides, onAt, type Side } from "./sides.ts";
import { explainTls, tlsBlockers } from "./tls.ts";
import { multifdTransferBlockers } from "./vfio.ts";
import { LADDER_FIELD, readWishes } from "./wishes.ts";

export type NegotiationInput = BothSides & {
  policy: MigrationPolicy;
  /** Absent: the clock of one of the hosts is not known. */
  clocks?: ClockOffsets | undefined;
};

/**
 * From both probes and the policy to what is switched on at each side, each choice with its reason;
 * or every blocker, each with its cure. Pure: the same input gives the same result.
 *
 * Promises of an agreement: QEMU's `migrate_caps_check` (migration/options.c) accepts both sets; a
 * capability that must match is on at both sides or at none; every capability of a side is listed.
 */
export function negotiate(input: NegotiationInput): NegotiationResult {
  const { source, target, policy, definition } = input;
  const wishes = withHooks(readWishes(policy), source);
  const settlement = settle({ source, target, definition, wishes });
  const { on } = settlement;
  const parameters = chooseParameters({ source, target, policy, wishes, on });
  const storage = planCopies(input, policy);
  const compression = parameters.source["multifd-compression"];
  const ofPolicy = checkPolicy(policy);
  const blockers = [
    ...ofPolicy,
    ...findBlockers(input),
    ...cpuBlockers(input, policy.acceptDifferences),
    ...settlement.blockers.filter((blocker) => !ofPolicy.some((known) => isSame(blocker, known))),
    ...parameters.blockers,
    ...multifdTransferBlockers(input, on, compression),
    ...uuidBlockers(input, on),
    ...resourceNameBlockers(target),
    ...refusedPartBlockers(target),
    ...tlsBlockers(input, policy),
    ...hookBlockers(wishes, source),
    ...guestClockBlockers(policy, definition),
    ...storage.blockers,
  ];
  if (blockers.length > 0) return { agreed: false, blockers };
  const ack = planAck(input, on.has("switchover-ack"));
  const agreement: Agreement = {
    source: settingsOf("source", input, on, parameters),
    target: settingsOf("target", input, on, parameters),
    ...(policy.tls === "off" ? {} : { tls: policy.tls }),
    ...(storage.copies.length === 0 ? {} : { copies: storage.copies }),
    ackMode: ack.mode,
    ackDevices: ack.devices,
    machineType: source.machineType,
    choices: [
      { subject: "ack", value: ack.mode, reason: ack.reason },
      ...explainTls(policy),
      ...storage.choices,
      ...explainMachine(input),
      ...explainHostCpus(input),
      ...explainHostClocks(input.clocks, policy),
      ...explainFlags(policy.flags),
      ...explainCapabilities(settlement, wishes),
      ...parameters.choices,
    ],
  };
  const isOurs = wishes.capabilities.get("auto-converge")?.field === LADDER_FIELD;
  return { agreed: true, agreement: withLadder(agreement, policy, isOurs) };
}

function settingsOf(
  side: Side,
  input: NegotiationInput,
  on: Settlement["on"],
  parameters: ChosenParameters,
): SideSettings {
  const here = onAt(side, on);
  const names = input[side].qemu.capabilities;
  return {
    capabilities: Object.fromEntries(names.map((name) => [name, here.has(name)])),
    parameters: parameters[side],
  };
}

function uuidBlockers({ source, definition }: NegotiationInput, on: Settlement["on"]): Blocker[] {
  const { uuid = NO_UUID } = definition;
  if (!on.has("validate-uuid") || source.uuid === undefined || source.uuid === uuid) return [];
  return [
    {
      code: "uuid-differs",
      field: "definition.uuid",
      message: `The guest's UUID is ${source.uuid}, and in its definition ${uuid}`,
      cure: "Correct the definition, or omit `validate-uuid`",
    },
  ];
}

/** What QEMU reports of a guest without one. */
const NO_UUID = "00000000-0000-0000-0000-000000000000";

function explainMachine({ source, target }: NegotiationInput): Choice[] {
  const { machineType: value } = source;
  const isDeprecated = findMachine(target.qemu.machines, value)?.deprecated === true;
  const reason = isDeprecated
    ? "the guest's own, which is deprecated in the target's QEMU: plan a restart with a newer one"
    : "the guest's own, as both sides must build the same machine";
  return [{ subject: "machine-type", value, reason }];
}

/** The check of the policy alone has found the same already. */
function isSame(one: Blocker, other: Blocker): boolean {
  return one.code === other.code && one.field === other.field;
}
