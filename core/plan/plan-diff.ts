import type { Plan } from "./plan-result.ts";

/** A VM that two versions of a plan treat differently. */
export type PlanDifference = {
  readonly vm: string;
  /** Where each version sends it; undefined: nowhere. */
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly kind: "other-target" | "new" | "gone";
};

export function planDifferences(before: Plan, after: Plan): PlanDifference[] {
  const old = targetsOf(before);
  const found: PlanDifference[] = [];
  for (const [vm, target] of targetsOf(after)) {
    if (!old.has(vm)) found.push({ vm, before: undefined, after: target, kind: "new" });
    else if (old.get(vm) !== target) {
      found.push({ vm, before: old.get(vm), after: target, kind: "other-target" });
    }
    old.delete(vm);
  }
  for (const [vm, target] of old) {
    found.push({ vm, before: target, after: undefined, kind: "gone" });
  }
  return found.toSorted((a, b) => (a.vm < b.vm ? -1 : 1));
}

/** Of a VM that moves twice, the last place counts. */
function targetsOf({ moves, unplaced }: Plan): Map<string, string | undefined> {
  const targets = new Map<string, string | undefined>(unplaced.map(({ vm }) => [vm, undefined]));
  for (const { vm, target } of moves) targets.set(vm, target);
  return targets;
}
