import type { EvacuationMove } from "../../../core/evacuation/evacuation.ts";
import type { Migration } from "../../../core/migration/migration.ts";
import type { Plan } from "../../../core/plan/plan-result.ts";

type Refusal = { readonly code?: unknown; readonly message?: unknown; readonly cure?: unknown };
type PlanReasons = Pick<Plan, "unplaced" | "explanations" | "refusals">;

export type Refusals = {
  readonly moves: readonly Pick<EvacuationMove, "vm" | "state" | "reason" | "cure" | "tries">[];
  readonly migrations: readonly Pick<Migration, "id" | "status" | "failure">[];
  readonly plans: readonly PlanReasons[];
};

const CODE = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/**
 * Refusals that do not say enough: each has a code, a sentence and a cure, whether a plan has no place
 * for a VM, a move has failed, or a migration was refused. What a person has skipped, and a guest that
 * is gone, need a reason only.
 */
export function poorRefusals({ moves, migrations, plans }: Refusals): string[] {
  return [
    ...moves.flatMap(ofMove),
    ...migrations.flatMap(({ id, status, failure }) =>
      status === "running" || status === "completed" ? [] : lacks(id, failure ?? {}),
    ),
    ...plans.flatMap(ofPlan),
  ];
}

function ofMove({ vm, state, reason, cure, tries }: Refusals["moves"][number]): string[] {
  const found = tries.flatMap(({ code, message }) =>
    code === undefined ? [] : lacks(`a try of ${vm}`, { code, message, cure: "its move has one" }),
  );
  const isOver = ["failed", "unplaced", "skipped", "gone"].includes(state);
  if (isOver && !isSaid(reason)) found.push(`${vm} is ${state} without a reason`);
  const needsCure = state === "failed" || state === "unplaced";
  if (needsCure && !isSaid(cure)) found.push(`${vm} is ${state} without a cure`);
  return found;
}

function ofPlan({ unplaced, explanations, refusals }: PlanReasons): string[] {
  const found = refusals.flatMap((refusal) => lacks("the plan", refusal));
  for (const { vm, blockers, explanation } of unplaced) {
    const { reasons = [] } = explanations[explanation] ?? {};
    const all = [...blockers, ...reasons.flatMap((group) => group.blockers)];
    if (all.length === 0) found.push(`the plan has no place for ${vm}, and no reason`);
    found.push(...all.flatMap((blocker) => lacks(`the plan for ${vm}`, blocker)));
  }
  return found;
}

function lacks(who: string, { code, message, cure }: Refusal): string[] {
  const found: string[] = [];
  if (typeof code !== "string" || !CODE.test(code)) found.push(`${who}: the code ${code}`);
  if (!isSaid(message)) found.push(`${who}: ${code} without a sentence`);
  if (!isSaid(cure)) found.push(`${who}: ${code} without a cure`);
  return found;
}

function isSaid(text: unknown): boolean {
  return typeof text === "string" && text.trim() !== "";
}
