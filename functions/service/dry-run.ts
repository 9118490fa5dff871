import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { CommandId, ulid } from "../../core/id.ts";
import type { Agreement, Blocker } from "../../core/negotiate/agreement.ts";
import { negotiate } from "../../core/negotiate/negotiate.ts";
import { SourceProbe, TargetProbe } from "../../core/protocol/probe.ts";
import { Problem } from "../http/problem.ts";
import { findCommands, removeCommand, type StoredCommand } from "../store/commands.ts";
import { dispatch } from "./dispatch-command.ts";
import { type MigrationRequest, readParties } from "./request-migration.ts";
import type { StoredParties } from "./start-migration.ts";

/** Longest wait for both probes; API Gateway ends a request after 30 s. */
const DEADLINE_MS = 20_000;
const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 250;

export type DryRun = {
  dryRun: true;
  agreed: boolean;
  agreement?: Agreement;
  blockers: Blocker[];
};

/**
 * Probes both sides and negotiates as a migration would. Nothing stays behind: no record, no lock, and
 * both commands are removed.
 *
 * @throws Problem like `readParties`, and host-silent, probe-failed, host-unreachable
 */
export async function dryRun(request: MigrationRequest): Promise<DryRun> {
  const ends = await readParties(request);
  const owner = `dry_${ulid(Date.now(), randomBytes(10))}`;
  const ids = {
    source: CommandId.parse(`${owner}.probe-source.1`),
    target: CommandId.parse(`${owner}.probe-target.1`),
  };
  try {
    await sendProbes(ends, ids);
    const [source, target] = await answersOf(ids);
    const negotiated = negotiate({
      source: SourceProbe.parse(source.result),
      target: TargetProbe.parse(target.result),
      policy: request.policy,
      definition: ends.vm.definition,
    });
    if (!negotiated.agreed) return { dryRun: true, ...negotiated };
    return { dryRun: true, ...negotiated, blockers: [] };
  } finally {
    await Promise.all([removeCommand(ids.source), removeCommand(ids.target)]);
  }
}

type Ids = { source: CommandId; target: CommandId };

async function sendProbes({ vm, source, target }: StoredParties, ids: Ids): Promise<void> {
  const identity = { vm: vm.id, epoch: vm.epoch };
  await Promise.all([
    dispatch({
      ...identity,
      id: ids.source,
      host: source.id,
      queueUrl: source.queueUrl,
      verb: "source.probe",
      args: {},
    }),
    dispatch({
      ...identity,
      id: ids.target,
      host: target.id,
      queueUrl: target.queueUrl,
      verb: "target.probe",
      args: { definition: vm.definition },
    }),
  ]);
}

/** Polls the table until both answers are there: the caller's request waits for them. */
async function answersOf(ids: Ids): Promise<[StoredCommand, StoredCommand]> {
  const deadline = Date.now() + DEADLINE_MS;
  for (let pause = PAUSE_MS_MIN; Date.now() < deadline; pause = Math.min(pause * 2, PAUSE_MS_MAX)) {
    await delay(pause);
    const found = await findCommands([ids.source, ids.target]);
    const source = found.get(ids.source);
    const target = found.get(ids.target);
    for (const probe of [source, target]) if (probe?.state === "failed") throw probeFailed(probe);
    if (source?.state === "completed" && target?.state === "completed") return [source, target];
  }
  throw new Problem("host-silent", "A host did not answer its probe in time");
}

function probeFailed({ host, error }: StoredCommand): Problem {
  const detail = `Probing on ${host} failed: ${error?.code}: ${error?.message}`;
  return new Problem("probe-failed", detail);
}
