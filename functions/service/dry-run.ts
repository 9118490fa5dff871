import { randomBytes } from "node:crypto";
import { CommandId, ulid } from "../../core/id.ts";
import type { Agreement, Blocker } from "../../core/negotiate/agreement.ts";
import { probedCopies, withDisksOf } from "../../core/negotiate/copies.ts";
import { clocksOf } from "../../core/negotiate/host-clocks.ts";
import { negotiate } from "../../core/negotiate/negotiate.ts";
import { SourceProbe, TargetProbe } from "../../core/protocol/probe.ts";
import type { TwinCheck } from "../../core/twin/comparison.ts";
import { Problem } from "../http/problem.ts";
import { removeCommand, type StoredCommand } from "../store/commands.ts";
import { noteDiskSizes } from "../store/vm-learned.ts";
import { awaitAnswers } from "./await-answers.ts";
import { dispatch } from "./dispatch-command.ts";
import { rehearse } from "./rehearse-move.ts";
import { type MigrationRequest, readParties } from "./request-migration.ts";
import type { StoredParties } from "./start-migration.ts";

export type DryRun = {
  dryRun: true;
  agreed: boolean;
  agreement?: Agreement;
  blockers: Blocker[];
  twinCheck?: TwinCheck;
  notCompared?: string;
};

/** API Gateway ends a request after 30 s. The rest of that time is for the discard of the target. */
const DEADLINE_MS = 24_000;

/**
 * Probes both sides, negotiates, and compares the machines as a migration would. Nothing stays behind:
 * no record, no lock, no process, and the commands are removed. Of disks that would be copied the
 * VM's record gets the sizes, which plans read.
 *
 * @throws Problem like `readParties`, and host-silent, probe-failed, host-unreachable
 */
export async function dryRun(request: MigrationRequest): Promise<DryRun> {
  const deadlineMs = Date.now() + DEADLINE_MS;
  const ends = await readParties(request);
  const policy = withDisksOf(request.policy, ends.vm);
  const owner = `dry_${ulid(Date.now(), randomBytes(10))}`;
  const ids = {
    source: CommandId.parse(`${owner}.probe-source.1`),
    target: CommandId.parse(`${owner}.probe-target.1`),
  };
  try {
    await sendProbes(ends, ids, probedCopies(policy));
    const answers = await awaitAnswers([ids.source, ids.target], probeFailed, deadlineMs);
    const negotiated = negotiate({
      source: SourceProbe.parse(answers.get(ids.source)?.result),
      target: TargetProbe.parse(answers.get(ids.target)?.result),
      policy,
      definition: ends.vm.definition,
      clocks: clocksOf(ends.source.clockOffsetMs, ends.target.clockOffsetMs),
    });
    if (!negotiated.agreed) return { dryRun: true, ...negotiated };
    const { agreement } = negotiated;
    await noteDiskSizes(ends.vm.id, agreement);
    const rehearsal = await rehearse({ ...ends, agreement, policy }, deadlineMs);
    return { dryRun: true, agreed: rehearsal.blockers.length === 0, agreement, ...rehearsal };
  } finally {
    await Promise.all([removeCommand(ids.source), removeCommand(ids.target)]);
  }
}

type Ids = { source: CommandId; target: CommandId };

async function sendProbes(
  { vm, source, target }: StoredParties,
  ids: Ids,
  copies: ReturnType<typeof probedCopies>,
): Promise<void> {
  const identity = { vm: vm.id, epoch: vm.epoch };
  await Promise.all([
    dispatch({
      ...identity,
      id: ids.source,
      host: source.id,
      queueUrl: source.queueUrl,
      verb: "source.probe",
      args: copies,
    }),
    dispatch({
      ...identity,
      id: ids.target,
      host: target.id,
      queueUrl: target.queueUrl,
      verb: "target.probe",
      args: { definition: vm.definition, ...copies },
    }),
  ]);
}

function probeFailed({ host, error }: StoredCommand): Problem {
  const detail = `Probing on ${host} failed: ${error?.code}: ${error?.message}`;
  return new Problem("probe-failed", detail);
}
