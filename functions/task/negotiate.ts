import * as z from "zod";
import { NegotiationRefused, StaleMigration } from "../../core/errors.ts";
import { CommandId, MigrationId } from "../../core/id.ts";
import type { Failure } from "../../core/migration/migration.ts";
import { planSwitchover } from "../../core/migration/switchover-plan.ts";
import type { AckMode, Blocker } from "../../core/negotiate/agreement.ts";
import { type ClockOffsets, clocksOf } from "../../core/negotiate/host-clocks.ts";
import { negotiate } from "../../core/negotiate/negotiate.ts";
import { SourceProbe, TargetProbe } from "../../core/protocol/probe.ts";
import { task } from "../runtime/task.ts";
import { raise } from "../service/raise-signal.ts";
import { findCommands } from "../store/commands.ts";
import { readClockOffsets } from "../store/hosts.ts";
import { readExpectedLoad, subjectsOf } from "../store/load-times.ts";
import { enterPhase, recordAgreement, recordFailure } from "../store/migration-progress.ts";
import type { StoredMigration } from "../store/migration-record.ts";
import { noteDiskSizes } from "../store/vm-learned.ts";

const NegotiateInput = z.object({ migrationId: MigrationId });

/**
 * Workflow task: derives the settings of both sides from their probes and the policy, or refuses with
 * every blocker.
 *
 * @throws NegotiationRefused after the blockers were recorded
 * @throws StaleMigration when the migration has ended, is on its way back, or was not probed
 */
export const handler = task(async (event): Promise<{ ackMode: AckMode }> => {
  const { migrationId } = NegotiateInput.parse(event);
  const entering = enterPhase(migrationId, "negotiate");
  const [{ migration, recorded }, probes, clocks] = await Promise.all([
    entering,
    readProbes(migrationId),
    entering.then(readClocks),
  ]);
  return await settle(migration, { ...probes, clocks }).finally(() => recorded);
});

async function settle(
  migration: StoredMigration,
  probes: Awaited<ReturnType<typeof readProbes>> & { clocks: ClockOffsets | undefined },
): Promise<{ ackMode: AckMode }> {
  const { id: migrationId, definition } = migration;
  const policy = cappedPolicy(migration);
  const negotiated = negotiate({ ...probes, policy, definition });
  if (!negotiated.agreed) {
    throw await refuse(migrationId, negotiated.blockers, migration.source);
  }
  const { vfioDevices, runState } = probes.source;
  const withAck = negotiated.agreement.source.capabilities["switchover-ack"] === true;
  const plan = planSwitchover({
    agreement: negotiated.agreement,
    policy,
    learned: await readExpectedLoad(subjectsOf(migration.vm, vfioDevices, withAck)),
    linkBytesPerSecond: slower(probes.source.linkBytesPerSecond, probes.target.linkBytesPerSecond),
  });
  if (!plan.ok) throw await refuse(migrationId, [plan.blocker], migration.source);
  const { agreement, prediction, gate } = plan;
  await Promise.all([
    recordAgreement(migrationId, { agreement, prediction, gate, vfioDevices, runState }),
    noteDiskSizes(migration.vm, agreement),
  ]);
  if (agreement.ackMode === "none") await raise({ do: "raise", migrationId, signal: "acked" });
  return { ackMode: agreement.ackMode };
}

/**
 * A link's speed that an operator has set is a limit, not a description: QEMU would send faster where the
 * link can. One that an agent reports is what the link can.
 */
function cappedPolicy({ policy, isRateCapped, rateBytesPerSecond: rate }: StoredMigration) {
  if (isRateCapped !== true || rate === undefined) return policy;
  const given = policy.parameters["max-bandwidth"];
  const least = (asked: unknown) =>
    typeof asked === "number" && asked > 0 ? Math.min(asked, rate) : rate;
  if (given === undefined) {
    return { ...policy, maxBandwidthBytesPerSecond: least(policy.maxBandwidthBytesPerSecond) };
  }
  const parameters = { ...policy.parameters, "max-bandwidth": least(given) };
  const { maxBandwidthBytesPerSecond: _, ...others } = policy;
  return { ...others, parameters };
}

async function refuse(
  id: MigrationId,
  blockers: Blocker[],
  source: string,
): Promise<NegotiationRefused> {
  const failure = refusal(blockers, source);
  await recordFailure(id, failure);
  return new NegotiationRefused(failure.message.slice(0, 2_000));
}

/** The slower of both links, as far as they are known. */
function slower(source: number | undefined, target: number | undefined): number | undefined {
  if (source === undefined || target === undefined) return source ?? target;
  return Math.min(source, target);
}

async function readProbes(id: MigrationId) {
  const ids = {
    source: CommandId.parse(`${id}.probe-source.1`),
    target: CommandId.parse(`${id}.probe-target.1`),
  };
  const found = await findCommands([ids.source, ids.target]);
  const source = found.get(ids.source);
  const target = found.get(ids.target);
  if (source?.state !== "completed" || target?.state !== "completed") {
    throw new StaleMigration(`Expected both sides of ${id} to have been probed`);
  }
  return { source: SourceProbe.parse(source.result), target: TargetProbe.parse(target.result) };
}

async function readClocks({
  migration: { source, target },
}: {
  migration: StoredMigration;
}): Promise<ClockOffsets | undefined> {
  const [ofSource, ofTarget] = await readClockOffsets([source, target]);
  return clocksOf(ofSource, ofTarget);
}

function refusal(blockers: Blocker[], source: string): Failure {
  return {
    code: blockers[0]?.code ?? "negotiation-refused",
    message: blockers
      .map(({ message, field }) => (field ? `${field}: ${message}` : message))
      .join("\n"),
    state: `nothing was changed; the guest runs on ${source}`,
    cure: blockers.map(({ cure }) => cure).join("\n"),
    phase: "negotiate",
  };
}
