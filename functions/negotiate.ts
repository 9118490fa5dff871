import { z } from "zod";
import { NegotiationRefused, StaleMigration } from "../core/errors.ts";
import { CommandId, MigrationId } from "../core/id.ts";
import type { Failure } from "../core/migration.ts";
import { negotiate } from "../core/negotiate.ts";
import type { AckMode, Blocker } from "../core/negotiation.ts";
import { SourceProbe, TargetProbe } from "../core/probe.ts";
import { raise } from "./raise.ts";
import { findCommands } from "./store/commands.ts";
import { enterPhase, recordAgreement, recordFailure } from "./store/migrations.ts";

const NegotiateInput = z.object({ migrationId: MigrationId });

/**
 * Workflow task: from both ends' probes and the policy to what is switched on at each end, or to a
 * refusal that names every blocker.
 *
 * @throws NegotiationRefused after the record has been given the blockers
 * @throws StaleMigration when the migration is over, has turned back, or was not probed
 */
export async function handler(event: unknown): Promise<{ ackMode: AckMode }> {
  const { migrationId } = NegotiateInput.parse(event);
  const [migration, probes] = await Promise.all([
    enterPhase(migrationId, "negotiate"),
    readProbes(migrationId),
  ]);
  const { policy, definition } = migration;
  const negotiated = negotiate({ ...probes, policy, definition });
  if (!negotiated.agreed) {
    const failure = refusal(negotiated.blockers, migration.source);
    await recordFailure(migrationId, failure);
    throw new NegotiationRefused(failure.message.slice(0, 2_000));
  }
  const { agreement } = negotiated;
  await recordAgreement(migrationId, agreement, probes.source.runState === "running");
  if (agreement.ackMode === "none") await raise({ do: "happen", migrationId, signal: "acked" });
  return { ackMode: agreement.ackMode };
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
    throw new StaleMigration(`Expected both ends of ${id} to have been probed`);
  }
  return { source: SourceProbe.parse(source.result), target: TargetProbe.parse(target.result) };
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
