import { proxmoxRevision } from "../../core/definition/machine.ts";
import { StaleMigration } from "../../core/errors.ts";
import type { Agreement } from "../../core/negotiate/agreement.ts";
import { probedCopies } from "../../core/negotiate/copies.ts";
import { optionalCapabilities } from "../../core/negotiate/given-up.ts";
import { climbOf } from "../../core/negotiate/ladder-plan.ts";
import type { ArgsOf, Verb } from "../../core/protocol/command.ts";
import type { StoredMigration } from "../store/migration-record.ts";

type Builders = {
  [V in Verb]?: (migration: StoredMigration, handoverKey: string | undefined) => ArgsOf<V>;
};

/** The arguments of each command of a migration; other verbs are not part of a migration. */
const builders: Builders = {
  "source.probe": ({ policy }) => probedCopies(policy),
  "target.probe": ({ definition, policy }) => ({ definition, ...probedCopies(policy) }),
  "target.prepare": (migration, handoverKey) => {
    const agreement = known(migration, "agreement");
    return {
      definition: {
        ...migration.definition,
        machine: `${agreement.machineType}${proxmoxRevision(migration.definition.machine)}`,
      },
      settings: agreement.target,
      handoverKey: secret(migration, handoverKey),
      optionalCapabilities: optionalCapabilities(agreement, migration.policy),
      ...tlsOf(agreement),
      ...copiesOf(agreement),
      ...(migration.policy.guestClock === "set" ? { guestClock: "set" as const } : {}),
    };
  },
  "source.start": (migration, handoverKey) => {
    const agreement = known(migration, "agreement");
    return {
      settings: agreement.source,
      ...known(migration, "prepared"),
      handoverKey: secret(migration, handoverKey),
      ...acceptedBy(migration),
      ackExpected: agreement.ackMode !== "none",
      ...tlsOf(agreement),
      ...copiesOf(agreement),
      precopyDeadlineMs: sourceDeadlineMs(migration),
      silenceMs: migration.policy.convergence.stall.silenceMs,
      ...gateOf(migration),
      ...linkOf(migration),
      ...ladderOf(migration, agreement),
    };
  },
  "source.permit": () => ({}),
  "target.recover": () => ({}),
  "source.recover": ({ id, recoveryUri }) => {
    if (recoveryUri !== undefined) return { migrationUri: recoveryUri };
    throw new StaleMigration(`Expected the target of ${id} to listen again by now`);
  },
  "migration.observe": () => ({}),
  "source.cancel": () => ({}),
  "source.resume": () => ({}),
  "target.resume": ({ runStateBefore }) => ({ runState: runStateBefore ?? "running" }),
  "target.discard": () => ({}),
  "source.discard": () => ({}),
};

function acceptedBy({ policy: { acceptDifferences } }: StoredMigration) {
  return acceptDifferences.length === 0 ? {} : { acceptDifferences };
}

function tlsOf({ tls }: Agreement) {
  return tls === undefined ? {} : { tls };
}

function copiesOf({ copies }: Agreement) {
  return copies === undefined ? {} : { copies };
}

/** With a gate, the time for the hold is added to that for precopy. */
function sourceDeadlineMs({ gate, policy }: StoredMigration): number {
  const holdMs = gate === undefined ? 0 : policy.switchover.deadlineMs;
  return policy.precopyDeadlineMs + holdMs;
}

function ladderOf({ policy, prediction }: StoredMigration, agreement: Agreement) {
  const climb = climbOf(agreement, policy, prediction?.loadMs ?? 0);
  return climb === undefined ? {} : { climb };
}

function linkOf({ prediction }: StoredMigration) {
  const linkBytesPerSecond = prediction?.linkBytesPerSecond;
  return linkBytesPerSecond === undefined ? {} : { linkBytesPerSecond };
}

/** Without a gate, or with a permit that came before the start, the source does not hold. */
function gateOf({ gate, policy }: StoredMigration) {
  if (gate === undefined || gate.permittedAt !== undefined) return {};
  const { permitAt } = policy.switchover;
  return { gate: permitAt === undefined ? {} : { permitAtMs: Date.parse(permitAt) } };
}

/**
 * The arguments of one command, from the record alone.
 *
 * @throws StaleMigration when an earlier step has not recorded what this one needs
 * @throws TypeError for a verb that is not part of a migration
 */
export function argsFor(
  verb: Verb,
  migration: StoredMigration,
  handoverKey: string | undefined,
): ArgsOf<Verb> {
  const build = builders[verb];
  if (build === undefined) throw new TypeError(`Expected a migration's verb, got ${verb}`);
  return build(migration, handoverKey);
}

function known<K extends "agreement" | "prepared">(migration: StoredMigration, field: K) {
  const value = migration[field];
  if (value !== undefined) return value as NonNullable<StoredMigration[K]>;
  throw new StaleMigration(`Expected migration ${migration.id} to have its ${field} by now`);
}

function secret(migration: StoredMigration, handoverKey: string | undefined): string {
  if (handoverKey !== undefined) return handoverKey;
  throw new StaleMigration(`Expected migration ${migration.id} to have its handover key still`);
}
