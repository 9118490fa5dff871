import type { SourceProbe } from "../../core/protocol/probe.ts";
import type { QmpClient } from "../../qmp/client.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { isCopyJob } from "./copy-names.ts";

type Job = NonNullable<SourceProbe["jobs"]>[number];

const JOBS_MAX = 100;
/** They have ended and wait to be dismissed (QAPI schema, job.json, JobStatus). */
const ENDED = new Set(["concluded", "null"]);

/** The block jobs of others that have not ended. */
export async function runningJobs(qmp: QmpClient): Promise<Job[]> {
  const jobs = await qmp.execute("query-jobs");
  return jobs
    .filter(({ id, status }) => !ENDED.has(status) && !isCopyJob(id))
    .slice(0, JOBS_MAX)
    .map(({ id, type, status }) => ({ id, type, status }));
}

/**
 * A job uses its disk, which QEMU gives to the target at the switchover: QEMU would fail the migration
 * after it has stopped the guest, or end the job.
 *
 * @throws CommandRefusedError `refused` naming the jobs
 */
export async function refuseWithJobs(qmp: QmpClient): Promise<void> {
  const jobs = await runningJobs(qmp);
  if (jobs.length === 0) return;
  const names = jobs.map(({ id, type }) => `${id} (${type})`).join(", ");
  throw new CommandRefusedError(
    "refused",
    `Expected no block job to run at the switchover, got ${names}: wait until it has ended, or cancel it, then permit again`,
  );
}
