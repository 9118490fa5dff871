import { randomBytes } from "node:crypto";
import { proxmoxRevision } from "../../core/definition/machine.ts";
import { CommandId, MigrationId, ulid } from "../../core/id.ts";
import type { Agreement, Blocker } from "../../core/negotiate/agreement.ts";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { type ResultOf, verbs } from "../../core/protocol/command.ts";
import { describeDifference, differenceCode } from "../../core/twin/compare.ts";
import type { TwinCheck } from "../../core/twin/comparison.ts";
import { log } from "../runtime/log.ts";
import { removeCommand, type StoredCommand } from "../store/commands.ts";
import { awaitAnswers } from "./await-answers.ts";
import { dispatch } from "./dispatch-command.ts";
import type { StoredParties } from "./start-migration.ts";

/** Longest wait for the end of the target, beyond which it ends by itself. */
const END_MS = 4_000;

export type Rehearsal = {
  readonly blockers: Blocker[];
  readonly twinCheck?: TwinCheck;
  /** Why only a migration itself can compare the machines. */
  readonly notCompared?: string;
};

type Move = StoredParties & { readonly agreement: Agreement; readonly policy: MigrationPolicy };

/**
 * Has the target started as a migration would, and compares it with the guest. It is ended before this
 * returns; if its host does not answer, it ends by itself.
 *
 * @throws Problem host-silent, host-unreachable
 */
export async function rehearse(move: Move, deadlineMs: number): Promise<Rehearsal> {
  const id = ulid(Date.now(), randomBytes(10));
  const { vm, source, target, agreement, policy } = move;
  const identity = { vm: vm.id, epoch: vm.epoch };
  const link = {
    migrationId: MigrationId.parse(`mig_${id}`),
    handoverKey: randomBytes(32).toString("hex"),
  };
  const ids = {
    target: CommandId.parse(`dry_${id}.rehearse-target.1`),
    source: CommandId.parse(`dry_${id}.rehearse-source.1`),
    discard: CommandId.parse(`dry_${id}.discard.1`),
  };
  const at = ({ id: host, queueUrl }: StoredParties["target"]) => ({ ...identity, host, queueUrl });
  const machine = `${agreement.machineType}${proxmoxRevision(vm.definition.machine)}`;
  const { copies } = agreement;
  try {
    const args = { ...link, definition: { ...vm.definition, machine }, ...(copies && { copies }) };
    await dispatch({ ...at(target), id: ids.target, verb: "target.rehearse", args });
    const started = await answerOf("target.rehearse", ids.target, deadlineMs);
    if ("blocker" in started) return { blockers: [started.blocker] };
    if ("cannot" in started.result) return { blockers: [], notCompared: started.result.cannot };
    const { acceptDifferences } = policy;
    const compare = { ...link, ...started.result, ...(acceptDifferences && { acceptDifferences }) };
    await dispatch({ ...at(source), id: ids.source, verb: "source.rehearse", args: compare });
    const compared = await answerOf("source.rehearse", ids.source, deadlineMs);
    if ("blocker" in compared) return { blockers: [compared.blocker] };
    const { twinCheck } = compared.result;
    return { blockers: blockersOf(twinCheck), twinCheck };
  } finally {
    const discard = { ...at(target), id: ids.discard, verb: "target.discard", args: {} } as const;
    await end(discard).catch((error: unknown) => {
      log().warn({ err: error, vm: vm.id }, "the target of a dry run is left to end by itself");
    });
    await Promise.all(Object.values(ids).map(removeCommand));
  }
}

async function end(order: Parameters<typeof dispatch<"target.discard">>[0]): Promise<void> {
  await dispatch(order);
  await awaitAnswers([order.id], failed, Date.now() + END_MS);
}

/** A host's answer, or why the migration would fail there. @throws Problem host-silent */
async function answerOf<V extends "target.rehearse" | "source.rehearse">(
  verb: V,
  id: CommandId,
  deadlineMs: number,
): Promise<{ result: ResultOf<V> } | { blocker: Blocker }> {
  try {
    const answers = await awaitAnswers([id], failed, deadlineMs);
    return { result: verbs[verb].result.parse(answers.get(id)?.result) as ResultOf<V> };
  } catch (error) {
    if (!(error instanceof HostFailed)) throw error;
    const cure = "correct the cause on that host; a migration would fail for it, too";
    return { blocker: { code: "rehearsal-failed", message: error.message, cure } };
  }
}

class HostFailed extends Error {}

function failed({ host, verb, error }: StoredCommand): Error {
  const where = verb === "source.rehearse" ? "Comparing the machines" : "Starting the target";
  return new HostFailed(`${where} on ${host} failed: ${error?.code}: ${error?.message}`);
}

/** One blocker for each listed difference. `differencesTotal` of the check counts all of them. */
function blockersOf({ differences }: TwinCheck): Blocker[] {
  return differences.map((difference) => ({
    code: differenceCode([difference]),
    message: describeDifference(difference),
    cure: difference.cure,
  }));
}
