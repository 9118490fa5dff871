import type { Labels } from "../labels.ts";
import type { TenantName } from "../vm-rules.ts";
import type { MoveState } from "./counters.ts";
import type { Acknowledgement, Notice, NoticeRule } from "./notice.ts";

type Noticed = { readonly state: MoveState; readonly notice?: Notice | undefined };

/** Whether the owner of a VM is told. */
export function needsNotice(
  { labels, tenants }: NoticeRule,
  vm: { readonly labels?: Labels | undefined; readonly tenant?: TenantName | undefined },
): boolean {
  const hasLabels = Object.entries(labels).every(([name, value]) => vm.labels?.[name] === value);
  const { tenant } = vm;
  return hasLabels && (tenants.length === 0 || (tenant !== undefined && tenants.includes(tenant)));
}

export function newNotice(
  { deadlineMs, postponeMs, otherwise }: NoticeRule,
  nowMs: number,
): Notice {
  return {
    givenAt: new Date(nowMs).toISOString(),
    deadlineAt: new Date(nowMs + deadlineMs).toISOString(),
    latestAt: new Date(nowMs + deadlineMs + postponeMs).toISOString(),
    otherwise,
  };
}

/** An elapsed time without the longest that owners have, ms. */
export function withoutNoticeMs(elapsedMs: number, rule: NoticeRule | undefined): number {
  if (rule === undefined) return elapsedMs;
  return Math.max(0, elapsedMs - rule.deadlineMs - rule.postponeMs);
}

/** When a VM stops waiting: at the time that its owner has named, else at the deadline. */
export function noticeDueAt({ acknowledged, deadlineAt }: Notice): string {
  return acknowledged?.notBefore ?? deadlineAt;
}

export type Acknowledged =
  /** `retrying`: it was held back, and needs a place again. */
  | { readonly state: "waiting" | "noticed" | "retrying"; readonly notice: Notice }
  | { readonly repeated: true }
  | { readonly refused: "no-notice" | "move-over" | "too-late"; readonly detail: string };

/** What an acknowledgement does. The last one counts, as long as the move has not begun. */
export function acknowledge({ state, notice }: Noticed, by: Acknowledgement): Acknowledged {
  if (notice === undefined) {
    return { refused: "no-notice", detail: "Its owner was given no notice: it waits for nobody" };
  }
  const { acknowledged: before, held, endedAt: _, ...given } = notice;
  const { notBefore, at } = by;
  const isLater = notBefore !== undefined && notBefore > at;
  if (isLater && notBefore > notice.latestAt) {
    return { refused: "too-late", detail: notice.latestAt };
  }
  if (before !== undefined && before.by === by.by && before.notBefore === notBefore) {
    return { repeated: true };
  }
  if (state === "noticed" || state === "waiting") {
    if (isLater) return { state: "noticed", notice: { ...given, acknowledged: by } };
    if (state === "waiting") return { repeated: true };
    return { state: "waiting", notice: { ...given, acknowledged: by, endedAt: at } };
  }
  if (state === "skipped" && held === true && !isLater) {
    return { state: "retrying", notice: { ...given, acknowledged: by, endedAt: at } };
  }
  const isUnderWay = state === "moving" || state === "retrying" || state === "moved";
  if (isUnderWay && !isLater) return { repeated: true };
  return { refused: "move-over", detail: `It is ${state}: its owner has nothing to decide` };
}

/** A VM has waited for its owner long enough. */
export function afterDeadline(notice: Notice, at: string) {
  const isHeld = notice.otherwise === "hold" && notice.acknowledged === undefined;
  return isHeld
    ? { state: "skipped" as const, notice: { ...notice, endedAt: at, held: true as const } }
    : { state: "waiting" as const, notice: { ...notice, endedAt: at } };
}

/** Why a VM waits, for people. */
export function noticeReason({ acknowledged, deadlineAt, otherwise }: Notice): string {
  if (acknowledged?.notBefore !== undefined) {
    return `${acknowledged.by} has acknowledged the move, not before ${acknowledged.notBefore}`;
  }
  const end = otherwise === "move" ? "it moves then" : "it is held back then";
  return `waits for its owner to acknowledge until ${deadlineAt}; ${end}`;
}

/** Why a VM was held back, for people. */
export function heldReason({ deadlineAt }: Notice): string {
  return `held back: its owner has not acknowledged the move by ${deadlineAt}`;
}

export const HELD_CURE = "ask its owner to acknowledge it, or retry it without that";
