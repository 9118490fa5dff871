import { noCounters } from "../counting.ts";
import type { Action, Life } from "../life.ts";
import { decide } from "../life.ts";
import { ApprovalRule } from "../request.ts";

export const AT = "2026-11-30T10:00:00.000Z";

/** A planned evacuation of four VMs that anybody may approve within an hour. */
export function planned(fields: Partial<Life> = {}): Life {
  return {
    status: "planned",
    plannedBy: "ada",
    approval: ApprovalRule.parse({}),
    approveUntil: "2026-11-30T11:00:00.000Z",
    version: 1,
    approvals: [],
    pauses: {},
    counters: { ...noCounters(), total: 4, waiting: 4 },
    failedBefore: 0,
    unknownVms: [],
    ...fields,
  };
}

export function running(fields: Partial<Life> = {}): Life {
  return planned({ status: "running", approvedVersion: 1, consentedVersion: 1, ...fields });
}

/** The life after these actions; each must change something or repeat what was done. */
export function lifeAfter(life: Life, ...actions: Action[]): Life {
  return actions.reduce((now, action) => {
    const decided = decide(now, action, AT);
    if ("refused" in decided) throw new Error(`${action.do}: ${decided.detail}`);
    return "life" in decided ? decided.life : now;
  }, life);
}

/** The code of a refusal; undefined: it is not refused. */
export function refusal(life: Life, action: Action, at = AT): string | undefined {
  const decided = decide(life, action, at);
  return "refused" in decided ? decided.refused : undefined;
}
