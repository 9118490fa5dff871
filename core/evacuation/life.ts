import type { Counters } from "./counters.ts";
import { openCount, remainderCount, withoutWaiting } from "./counting.ts";
import type { Approval, EndedBy, EvacuationStatus } from "./evacuation.ts";
import type { Pause, PauseReason } from "./pause.ts";
import { newPause, PAUSES_MAX, pauseKey, SYSTEM, type TimedPause, timedPauses } from "./pausing.ts";
import type { ApprovalRule } from "./request.ts";

/** What an evacuation's life depends on. `paused` is no status of its own: it is having pauses. */
export type Life = {
  readonly status: Exclude<EvacuationStatus, "paused">;
  readonly plannedBy: string;
  readonly approval: ApprovalRule;
  readonly approveUntil: string;
  readonly version: number;
  readonly approvedVersion?: number | undefined;
  readonly consentedVersion?: number | undefined;
  readonly approvals: readonly Approval[];
  /** Until then the newest version may be approved, and the approved one is carried out meanwhile. */
  readonly offeredUntil?: string | undefined;
  readonly pauses: Readonly<Record<string, Pause>>;
  readonly counters: Counters;
  /** The count of failed VMs from which the error budget is counted. */
  readonly failedBefore: number;
  readonly unknownVms: readonly string[];
  readonly endedBy?: EndedBy | undefined;
  readonly forward?: { readonly status: EvacuationStatus; readonly counters: Counters } | undefined;
};

type By = { readonly author: string; readonly message?: string | undefined };

export type Action =
  | ({ readonly do: "approve"; readonly version: number } & By)
  | ({ readonly do: "reject" | "pause" | "resume" | "rollback" } & By)
  | ({ readonly do: "cancel"; readonly action?: "cancel" | "uncordon" } & By)
  /** The approval's deadline has passed. */
  | { readonly do: "expire" }
  /** The workflow has begun. */
  | { readonly do: "begin" }
  /** There is a newer version. `isOptional`: without it, the approved one is carried out as before. */
  | {
      readonly do: "offer";
      readonly version: number;
      readonly isWithinTolerance: boolean;
      readonly isOptional?: boolean;
    }
  /** The newest version changes nothing that is carried out: it replaces the approved one. */
  | { readonly do: "hold"; readonly reason: Exclude<PauseReason, "operator" | TimedPause> }
  /** By the clock: it is in no open time (with the pause that says why), or it is in one. */
  | { readonly do: "keep-times"; readonly pause?: Omit<Pause, "since"> & { reason: TimedPause } }
  /** Nothing is moving, and nothing else may start. `isEmptied`: no host that counts has a guest. */
  | { readonly do: "finish"; readonly isEmptied: boolean }
  /** A VM that had its end is moved after all. */
  | { readonly do: "reopen" }
  /** The workflow cannot go on. */
  | { readonly do: "fail" };

export type RefusalCode =
  | "evacuation-over"
  | "evacuation-not-running"
  | "evacuation-not-planned"
  | "plan-changed"
  | "plan-not-found"
  | "approver-is-planner"
  | "approval-expired"
  | "too-many-pauses"
  | "nothing-to-roll-back";

export type Decided =
  | { readonly life: Life }
  /** It was done before: nothing changes, the answer is the same. */
  | { readonly repeated: true }
  | { readonly refused: RefusalCode; readonly detail: string };

/** Approvals that a record keeps, the latest: the audit has all of them. */
export const APPROVALS_MAX = 50;

/** Statuses of an evacuation that goes on. */
const openStatuses: readonly EvacuationStatus[] = [
  "planned",
  "approved",
  "running",
  "paused",
  "cancelling",
  "rolling-back",
];

export function isFinalEvacuation(status: EvacuationStatus): boolean {
  return !openStatuses.includes(status);
}

/** The evacuation after an action. Pure: the caller writes the result if nothing has changed. */
export function decide(life: Life, action: Action, at: string): Decided {
  switch (action.do) {
    case "approve":
      return approve(life, action, at);
    case "reject":
      return reject(life, action, at);
    case "expire":
      return isOverdue(life, at) ? { life: { ...life, status: "expired" } } : { repeated: true };
    case "begin":
      return life.status === "approved"
        ? { life: { ...life, status: "running" } }
        : { repeated: true };
    case "pause":
      return pause(life, newPause("operator", action, at));
    case "hold":
      return pause(life, newPause(action.reason, { author: SYSTEM }, at));
    case "keep-times":
      return keepTimes(life, action.pause, at);
    case "resume":
      return resume(life);
    case "cancel":
      return cancel(life, { ...endedBy(action, at), action: action.action ?? "cancel" });
    case "rollback":
      return rollBack(life, { ...endedBy(action, at), action: "rollback" });
    case "offer":
      return offer(life, action, at);
    case "finish":
      return finish(life, action.isEmptied, at);
    case "reopen":
      return reopen(life);
    case "fail":
      return isFinalEvacuation(life.status)
        ? { repeated: true }
        : { life: { ...life, status: "failed" } };
  }
}

/** Whether the approval's deadline has passed without enough approvals. */
export function isOverdue({ status, approveUntil }: Life, at: string): boolean {
  return status === "planned" && Date.parse(at) >= Date.parse(approveUntil);
}

/** Whether a version awaits approval for which nothing waits but the end. */
export function isOffering(
  { status, offeredUntil }: Pick<Life, "status" | "offeredUntil">,
  at: string,
): boolean {
  return (
    status === "running" && offeredUntil !== undefined && Date.parse(at) < Date.parse(offeredUntil)
  );
}

/** The status as people see it. */
export function shownStatus(life: Pick<Life, "status" | "pauses">): EvacuationStatus {
  return life.status === "running" && Object.keys(life.pauses).length > 0 ? "paused" : life.status;
}

function approve(life: Life, { version, author }: By & { version: number }, at: string): Decided {
  const rule = life.approval;
  const isAsked = life.status === "planned" || Object.hasOwn(life.pauses, "tolerance");
  if (version > life.version) {
    return refuse(
      "plan-not-found",
      `There is no version ${version}: the newest is ${life.version}`,
    );
  }
  if (life.consentedVersion === version) return { repeated: true };
  if (isOverdue(life, at) || life.status === "expired") {
    return refuse("approval-expired", `It had to be approved before ${life.approveUntil}`);
  }
  if (isFinalEvacuation(life.status)) return refuse("evacuation-over", `It is ${life.status}`);
  if (version < life.version) {
    return refuse("plan-changed", `Version ${version} is out of date: see version ${life.version}`);
  }
  if (!isAsked && !isOffering(life, at)) {
    if (life.offeredUntil !== undefined) {
      return refuse("approval-expired", `It had to be approved before ${life.offeredUntil}`);
    }
    return refuse("evacuation-not-planned", `It is ${life.status}, and no version awaits approval`);
  }
  if (rule.otherThanPlanner && author === life.plannedBy) {
    return refuse("approver-is-planner", `${author} has planned it: somebody else must approve it`);
  }
  const isKnown = life.approvals.some((one) => one.by === author && one.version === version);
  if (isKnown) return { repeated: true };
  const approvals = [...life.approvals, { by: author, version, at }].slice(-APPROVALS_MAX);
  const given = approvals.filter((one) => one.version === version).length;
  if (given < rule.approvers) return { life: { ...life, approvals } };
  const { tolerance: _, ...pauses } = life.pauses;
  const status = life.status === "planned" ? "approved" : life.status;
  return {
    life: {
      ...life,
      status,
      approvals,
      pauses,
      approvedVersion: version,
      consentedVersion: version,
      offeredUntil: undefined,
    },
  };
}

function reject(life: Life, by: By, at: string): Decided {
  if (life.status === "rejected") return { repeated: true };
  if (isOffering(life, at)) return { life: { ...life, offeredUntil: undefined } };
  if (life.status !== "planned") {
    return refuse("evacuation-not-planned", `It is ${shownStatus(life)}: cancel it instead`);
  }
  return {
    life: { ...life, status: "rejected", endedBy: { ...endedBy(by, at), action: "reject" } },
  };
}

function pause(life: Life, made: Pause): Decided {
  if (isFinalEvacuation(life.status)) return refuse("evacuation-over", `It is ${life.status}`);
  const isUnderWay = ["approved", "running", "rolling-back"].includes(life.status);
  if (!isUnderWay) {
    return refuse("evacuation-not-running", `It is ${life.status}: there is nothing to pause`);
  }
  const key = pauseKey(made.reason, made.author);
  if (Object.hasOwn(life.pauses, key)) return { repeated: true };
  if (Object.keys(life.pauses).length >= PAUSES_MAX) {
    return refuse("too-many-pauses", `It has ${PAUSES_MAX} pauses already`);
  }
  return { life: { ...life, pauses: { ...life.pauses, [key]: made } } };
}

/** The pauses of the clock become this one, or end. Those of persons stay as they are. */
function keepTimes(
  life: Life,
  pause: (Omit<Pause, "since"> & { reason: TimedPause }) | undefined,
  at: string,
): Decided {
  if (life.status !== "approved" && life.status !== "running") return { repeated: true };
  const timed: readonly string[] = timedPauses;
  const before = Object.entries(life.pauses);
  const kept = before.filter(([key]) => !timed.includes(key));
  if (pause === undefined) {
    if (kept.length === before.length) return { repeated: true };
    return { life: { ...life, pauses: Object.fromEntries(kept) } };
  }
  const known = life.pauses[pause.reason];
  const made = { ...pause, since: known?.since ?? at };
  if (known?.endsWith === made.endsWith && known.message === made.message) {
    if (before.length === kept.length + 1) return { repeated: true };
  }
  return { life: { ...life, pauses: { ...Object.fromEntries(kept), [pause.reason]: made } } };
}

/** Ends the pauses that a person's word ends; the others stay. */
function resume(life: Life): Decided {
  if (isFinalEvacuation(life.status)) return refuse("evacuation-over", `It is ${life.status}`);
  const kept = Object.entries(life.pauses).filter(
    ([, { reason }]) => reason !== "operator" && reason !== "error-budget",
  );
  if (kept.length === Object.keys(life.pauses).length) return { repeated: true };
  const isBudget = Object.hasOwn(life.pauses, "error-budget");
  return {
    life: {
      ...life,
      pauses: Object.fromEntries(kept),
      ...(isBudget ? { failedBefore: life.counters.failed } : {}),
    },
  };
}

function cancel(life: Life, end: EndedBy): Decided {
  const { status } = life;
  const isGoingBack = status === "cancelling" && life.endedBy?.action === "rollback";
  if (status === "cancelled" || (status === "cancelling" && !isGoingBack)) {
    return { repeated: true };
  }
  if (isFinalEvacuation(life.status)) return refuse("evacuation-over", `It is ${status}`);
  if (status === "rolling-back" || isGoingBack) {
    return refuse("evacuation-not-running", "It is being rolled back: pause it instead");
  }
  const isBegun = status !== "planned";
  const next = isBegun ? "cancelling" : "cancelled";
  return { life: { ...life, status: next, pauses: {}, endedBy: end } };
}

const rollable: readonly EvacuationStatus[] = [
  "running",
  "cancelling",
  "completed",
  "completed-with-remainder",
  "cancelled",
];

function rollBack(life: Life, end: EndedBy): Decided {
  const { status } = life;
  if (
    status === "rolling-back" ||
    status === "rolled-back" ||
    life.endedBy?.action === "rollback"
  ) {
    return { repeated: true };
  }
  if (!rollable.includes(status)) {
    return refuse("nothing-to-roll-back", `It is ${status}: no VM of it has moved`);
  }
  if (life.counters.moved + life.counters.moving === 0) {
    return refuse("nothing-to-roll-back", "No VM of it has moved");
  }
  if (status === "running" || status === "cancelling") {
    return { life: { ...life, status: "cancelling", pauses: {}, endedBy: end } };
  }
  return { life: beginRollback({ ...life, endedBy: end }) };
}

/** The counters of the way back grow as its VMs are listed. */
function beginRollback(life: Life): Life {
  const { status, counters } = life;
  const isCancelling = status === "cancelling";
  const forward = {
    status: isCancelling ? ("cancelled" as const) : status,
    counters: isCancelling ? withoutWaiting(counters) : counters,
  };
  const none = Object.fromEntries(Object.keys(counters).map((name) => [name, 0]));
  return {
    ...life,
    status: "rolling-back",
    pauses: {},
    counters: none as Counters,
    failedBefore: 0,
    forward,
  };
}

function offer(
  life: Life,
  { version, isWithinTolerance, isOptional = false }: Extract<Action, { do: "offer" }>,
  at: string,
): Decided {
  if (version !== life.version + 1) return { repeated: true };
  const newer = { ...life, version, offeredUntil: undefined };
  if (life.status === "planned") return { life: newer };
  if (isWithinTolerance) {
    const { tolerance: _, ...pauses } = life.pauses;
    return { life: { ...newer, approvedVersion: version, pauses } };
  }
  if (isOptional) {
    const untilMs = Date.parse(at) + life.approval.deadlineMs;
    return { life: { ...newer, offeredUntil: new Date(untilMs).toISOString() } };
  }
  const pauses = { ...life.pauses, tolerance: newPause("tolerance", { author: SYSTEM }, at) };
  return { life: { ...newer, pauses } };
}

function finish(life: Life, isEmptied: boolean, at: string): Decided {
  const { status, counters } = life;
  if (counters.moving > 0) return { repeated: true };
  if (status === "cancelling") {
    if (life.endedBy?.action === "rollback" && counters.moved > 0) {
      return { life: beginRollback(life) };
    }
    return { life: { ...life, status: "cancelled", counters: withoutWaiting(counters) } };
  }
  if (openCount(counters) > 0 || isOffering(life, at)) return { repeated: true };
  if (status === "rolling-back") {
    const isNothing = counters.moved === 0 && counters.total > 0;
    const end = isNothing ? (life.forward?.status ?? "rolled-back") : "rolled-back";
    return { life: { ...life, status: end as Life["status"] } };
  }
  if (status !== "running") return { repeated: true };
  const isWhole = isEmptied && remainderCount(counters) === 0;
  return {
    life: { ...life, status: isWhole ? "completed" : "completed-with-remainder", pauses: {} },
  };
}

function reopen(life: Life): Decided {
  if (life.status === "running") return { repeated: true };
  if (life.status !== "completed-with-remainder" || life.forward !== undefined) {
    return refuse("evacuation-not-running", `It is ${shownStatus(life)}: plan another one`);
  }
  return { life: { ...life, status: "running", failedBefore: life.counters.failed } };
}

function endedBy({ author, message }: By, at: string) {
  return { author, ...(message === undefined ? {} : { message }), at };
}

function refuse(refused: RefusalCode, detail: string): Decided {
  return { refused, detail };
}
