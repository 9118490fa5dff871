import { type Action, decide } from "../../core/evacuation/life.ts";
import { outlineOf, VERSIONS_MAX } from "../../core/evacuation/version.ts";
import type { EvacuationId } from "../../core/id.ts";
import { observationsOfReplan } from "../../core/observations.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { Problem } from "../http/problem.ts";
import { findVersion, type PlanVersion } from "../store/evacuation-plans.ts";
import { EVERYTHING } from "../store/evacuation-wakes.ts";
import type { StoredEvacuation } from "../store/evacuations.ts";
import { act, ask, requireEvacuation } from "./change-evacuation.ts";
import { count } from "./count-observations.ts";
import { evacuationExecutionArn, startEvacuationExecution } from "./evacuation-executions.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { planAgain } from "./plan-fleet.ts";
import { planFields, recordVersion } from "./request-evacuation.ts";
import { wakeEvacuation } from "./wake-evacuation.ts";

/** Changes that a refusal names. */
const CHANGES_MAX = 5;

type Approve = Extract<Action, { do: "approve" }>;

/**
 * One person approves one version. Before the first start the version must still be what the fleet
 * allows: otherwise a newer one is written, and nothing is approved. With enough approvals the workflow
 * starts; a repeated request starts it if it was not.
 *
 * @throws Problem evacuation-not-found, plan-not-found, plan-changed, plan-refused,
 *   approver-is-planner, approval-expired, evacuation-over, evacuation-not-planned,
 *   workflow-unavailable
 */
export async function approveEvacuation(
  id: EvacuationId,
  by: Omit<Approve, "do">,
): Promise<StoredEvacuation> {
  const action: Approve = { do: "approve", ...by };
  const before = await requireEvacuation(id);
  await act(id, { do: "expire" });
  const decided = decide(before, action, new Date().toISOString());
  if ("refused" in decided) throw new Problem(decided.refused, decided.detail);
  const version = await requireVersion(id, by.version);
  if (before.status === "planned") await requireSound(before, version);
  const approved = await ask(id, action, (now, { status }) =>
    now.status === "planned" && status === "approved"
      ? { generation: 1, executionArn: evacuationExecutionArn({ id, generation: 1 }) }
      : {},
  );
  if (approved.status === "approved") {
    await orUnavailable("workflow-unavailable", () => startEvacuationExecution(approved));
  } else if (approved.status === "running") {
    await orUnavailable("workflow-unavailable", () => wakeEvacuation(id, [EVERYTHING]));
  }
  return approved;
}

/** @throws Problem plan-not-found */
export async function requireVersion(id: EvacuationId, version: number): Promise<PlanVersion> {
  const found = await findVersion(id, version);
  if (found !== undefined) return found;
  throw new Problem("plan-not-found", `There is no version ${version} of ${id}`);
}

/**
 * @throws Problem plan-refused when the plan itself says that it cannot be carried out, plan-changed
 *   when the fleet has changed so that another version is right
 */
async function requireSound(evacuation: StoredEvacuation, known: PlanVersion): Promise<void> {
  const hosts = evacuation.hosts.map(({ host }) => host);
  const { plan, changes } = await planAgain(evacuation, hosts, known.plan);
  if (changes.length > 0) throw await changedPlan(evacuation, plan, changes);
  const { refusals } = plan;
  const [first] = refusals;
  if (first === undefined) return;
  throw new Problem("plan-refused", `${first.message}. ${first.cure}`, { blockers: refusals });
}

/** Offers the version that the fleet asks for. It is the newest one from now on. */
async function changedPlan(
  { id, version }: StoredEvacuation,
  planned: Plan,
  changes: string[],
): Promise<Problem> {
  const next = version + 1;
  if (next > VERSIONS_MAX) {
    const detail = `The fleet has changed after ${version} versions: plan another evacuation`;
    return new Problem("plan-changed", detail, { version, changes: changes.slice(0, CHANGES_MAX) });
  }
  const at = new Date().toISOString();
  const outline = outlineOf(next, planned);
  const made = { plan: planned, outline, reason: "fleet-changed", changes, at } as const;
  const stored = await recordVersion(id, made);
  if (stored.plan === planned) await count(observationsOfReplan(made.reason), id);
  const offer = { do: "offer", version: next, isWithinTolerance: false } as const;
  await act(id, offer, () => planFields(stored.plan));
  const shown = stored.changes.slice(0, CHANGES_MAX);
  const more = stored.changes.length - shown.length;
  const text = shown.join("; ") + (more > 0 ? `; ${more} more` : "");
  const detail = `The fleet has changed: see version ${next} (${text})`;
  return new Problem("plan-changed", detail, { version: next, changes: stored.changes });
}
