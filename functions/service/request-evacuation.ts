import { randomBytes } from "node:crypto";
import { noCounters } from "../../core/evacuation/counting.ts";
import { noWork } from "../../core/evacuation/eta.ts";
import type { EvacuationRequest } from "../../core/evacuation/request.ts";
import { outlineOf, placementsOf } from "../../core/evacuation/version.ts";
import { EvacuationId, ulid } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { openTimesOf } from "../../core/schedule/open-times.ts";
import { Problem } from "../http/problem.ts";
import { readCalendar } from "../store/change-freezes.ts";
import { PlanTooLong, writeVersion } from "../store/evacuation-plans.ts";
import { createEvacuation, findEvacuation, type StoredEvacuation } from "../store/evacuations.ts";
import { hashRequest, takeEvacuationKey } from "../store/idempotency.ts";
import { planFleet } from "./plan-fleet.ts";

/** The plan of an evacuation that nobody has asked for yet. Nothing is written. */
export function dryRunEvacuation(request: EvacuationRequest): Promise<Plan> {
  return planFleet(request, request.hosts);
}

/**
 * Plans an evacuation and writes it with version 1 of its plan. A plan that can move nothing, or that
 * refuses itself, is written, too: it shows each reason. It cannot be approved.
 *
 * @throws Problem host-not-found, idempotency-key-reused, plan-too-long
 */
export async function requestEvacuation(
  request: EvacuationRequest,
  idempotencyKey: string | undefined,
): Promise<{ evacuation: StoredEvacuation; replayed: boolean }> {
  const bodyHash = hashRequest(request);
  const nowMs = Date.now();
  const fresh = EvacuationId.parse(`evac_${ulid(nowMs, randomBytes(10))}`);
  const id =
    idempotencyKey === undefined
      ? fresh
      : await takeEvacuationKey(`evacuation ${idempotencyKey}`, { bodyHash, id: fresh });
  if (id !== fresh) {
    const known = await findEvacuation(id);
    if (known !== undefined) return replay(known, bodyHash);
  }
  const { freezes: calendar } = await readCalendar();
  const openTimes = openTimesOf({ calendar, nowMs });
  const planned = await planFleet({ ...request, openTimes }, request.hosts);
  const plan = await writeFirstVersion({ id, createdAt: new Date(nowMs).toISOString() }, planned);
  const made = newEvacuation(id, request, { plan, bodyHash, nowMs, openTimes });
  if (await createEvacuation(made)) return { evacuation: made, replayed: false };
  const known = await findEvacuation(id);
  if (known === undefined) throw new Error(`Expected evacuation ${id} to exist`);
  return replay(known, bodyHash);
}

function replay(evacuation: StoredEvacuation, bodyHash: string) {
  if (evacuation.bodyHash === bodyHash) return { evacuation, replayed: true };
  const detail = `The Idempotency-Key was used for another request: ${evacuation.id}`;
  throw new Problem("idempotency-key-reused", detail, { evacuation: evacuation.id });
}

/**
 * Writes version 1. Returns the plan that counts.
 *
 * @throws Problem plan-too-long
 */
export async function writeFirstVersion(
  { id, createdAt }: Pick<StoredEvacuation, "id" | "createdAt">,
  planned: Plan,
): Promise<Plan> {
  const outline = outlineOf(1, planned);
  const { plan } = await recordVersion(id, {
    plan: planned,
    outline,
    reason: "requested",
    changes: [],
    at: createdAt,
  });
  return plan;
}

/**
 * Writes a version for an operator. Returns the version that counts.
 *
 * @throws Problem plan-too-long
 */
export async function recordVersion(...args: Parameters<typeof writeVersion>) {
  try {
    return await writeVersion(...args);
  } catch (error) {
    if (!(error instanceof PlanTooLong)) throw error;
    throw new Problem("plan-too-long", error.message);
  }
}

type Made = Pick<StoredEvacuation, "bodyHash" | "openTimes" | "schedule"> & {
  plan: Plan;
  nowMs: number;
};

export function newEvacuation(
  id: EvacuationId,
  { by, policy, options, approval, tolerance, limits, notice }: Omit<EvacuationRequest, "hosts">,
  { plan, bodyHash, nowMs, openTimes, schedule }: Made,
): StoredEvacuation {
  const at = new Date(nowMs).toISOString();
  return {
    ...planFields(plan),
    id,
    status: "planned",
    plannedBy: by,
    ...(schedule === undefined ? {} : { schedule }),
    ...(openTimes === undefined ? {} : { openTimes }),
    timesRevision: 0,
    policy,
    options,
    approval,
    tolerance,
    limits,
    ...(notice === undefined ? {} : { notice }),
    version: 1,
    approvals: [],
    approveUntil: new Date(nowMs + approval.deadlineMs).toISOString(),
    pauses: {},
    unknownVms: [],
    uncordoned: {},
    failedBefore: 0,
    appliedVersion: 0,
    generation: 0,
    lost: 0,
    revision: 1,
    bodyHash,
    createdAt: at,
    updatedAt: at,
  };
}

/** What the record has of a plan that nobody has approved yet. */
export function planFields(plan: Plan) {
  const placements = placementsOf(plan);
  const waiting = placements.filter(({ target }) => target !== undefined).length;
  const total = placements.length;
  return {
    hosts: plan.hosts.map(({ host }) => ({ host, state: "waiting" as const })),
    left: Object.fromEntries(plan.hosts.map(({ host, moves }) => [host, moves])),
    counters: { ...noCounters(), total, waiting, unplaced: total - waiting },
    eta: etaOf(plan),
    work: { ...noWork(), plannedMs: plannedMs(plan) },
  };
}

export function etaOf({ eta, lowerBoundMs }: Plan, elapsedMs = 0) {
  return {
    plannedMs: elapsedMs + eta.ms,
    lowMs: elapsedMs + eta.lowMs,
    highMs: elapsedMs + eta.highMs,
    lowerBoundMs,
  };
}

/** Predicted time of all moves together, ms. */
function plannedMs({ moves }: Plan): number {
  return moves.reduce((sum, { startAtMs, endAtMs }) => sum + endAtMs - startAtMs, 0);
}
