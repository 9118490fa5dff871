import * as z from "zod";
import { Message, Owner } from "../host/cordon.ts";
import { EvacuationId, HostId, MigrationId, ScheduleId, VmId } from "../id.ts";
import { MigrationPolicy } from "../negotiate/policy.ts";
import { Counters, MoveState } from "./counters.ts";
import { Notice, NoticeRule } from "./notice.ts";
import { ReasonClass } from "./outcome.ts";
import { Pause } from "./pause.ts";
import { ApprovalRule, EvacuationLimits, EvacuationOptions, Tolerance } from "./request.ts";

const instant = z.iso.datetime();

/** In the order of a life; those from `completed` on are final. */
export const EvacuationStatus = z.enum([
  /** There is a plan that nobody has approved. */
  "planned",
  /** Approved; the first host has not been cordoned yet. */
  "approved",
  "running",
  /** Nothing starts; transfers in flight go on. */
  "paused",
  /** Transfers in flight end; nothing else starts. */
  "cancelling",
  /** VMs that have moved are moved back. */
  "rolling-back",
  "completed",
  /** Something stays on the hosts that were to be emptied. */
  "completed-with-remainder",
  "cancelled",
  "rolled-back",
  /** Its workflow could not go on. */
  "failed",
  "rejected",
  /** Not approved in time. */
  "expired",
]);
export type EvacuationStatus = z.infer<typeof EvacuationStatus>;

export const Approval = z.strictObject({
  by: Owner,
  version: z.int().positive(),
  at: instant,
});
export type Approval = z.infer<typeof Approval>;

/** Who ended it before its end, or rejected it. */
export const EndedBy = z.strictObject({
  action: z.enum(["cancel", "rollback", "reject", "uncordon"]),
  author: Owner,
  message: Message.optional(),
  at: instant,
});
export type EndedBy = z.infer<typeof EndedBy>;

/** One host to be emptied. */
export const HostTurn = z.strictObject({
  host: HostId,
  /** `kept`: nothing of it moves any more, and guests remain. */
  state: z.enum(["waiting", "draining", "emptied", "kept"]),
  /** Moves that have not ended. */
  left: z.int().nonnegative(),
  begunAt: instant.optional(),
  endedAt: instant.optional(),
});
export type HostTurn = z.infer<typeof HostTurn>;

/** Sums over the moves, from which the end is predicted. */
export const Work = z.strictObject({
  /** Predicted time of all moves, and of those that have ended, ms. */
  plannedMs: z.number().nonnegative(),
  donePlannedMs: z.number().nonnegative(),
  /** Real time of those that have moved, and their predicted time, ms. */
  realMs: z.number().nonnegative(),
  predictedMs: z.number().nonnegative(),
  moves: z.int().nonnegative(),
});
export type Work = z.infer<typeof Work>;

/** When it is expected to end. */
export const EvacuationEta = z.strictObject({
  /** Predicted by the plan that is carried out: from its start, ms, with its band. */
  plannedMs: z.number().nonnegative(),
  lowMs: z.number().nonnegative(),
  highMs: z.number().nonnegative(),
  /** No schedule of these moves is shorter, ms. */
  lowerBoundMs: z.number().nonnegative(),
  /** What it still takes by what its moves have taken so far, ms. */
  remainingMs: z.number().nonnegative().optional(),
  /** The end that was predicted when half of the work was done, ms after the start. */
  halfwayEndMs: z.number().nonnegative().optional(),
  /** At the end: its real time, ms, and that divided by the lower bound. */
  realMs: z.number().nonnegative().optional(),
  ratio: z.number().nonnegative().optional(),
});
export type EvacuationEta = z.infer<typeof EvacuationEta>;

/** A time in which migrations may run; without `until` it does not end. */
export const OpenTime = z.strictObject({ from: instant, until: instant.optional() });
export type OpenTime = z.infer<typeof OpenTime>;

/** An evacuation as the API shows it. */
export const Evacuation = z.strictObject({
  id: EvacuationId,
  status: EvacuationStatus,
  plannedBy: Owner,
  /** The schedule that has started it, and the start of its window. */
  schedule: z.strictObject({ id: ScheduleId, startsAt: instant }).optional(),
  /** Its migrations run in these times only: windows, less change freezes. Absent: at any time. */
  openTimes: z.array(OpenTime).optional(),
  policy: MigrationPolicy,
  options: EvacuationOptions,
  approval: ApprovalRule,
  tolerance: Tolerance,
  limits: EvacuationLimits,
  /** Owners of VMs are told before these move. Absent: nobody is. */
  notice: NoticeRule.optional(),
  /** VMs that wait for their owners wait until then at most. */
  noticeUntil: instant.optional(),
  /** The newest version of its plan. */
  version: z.int().positive(),
  /** The version that is carried out. */
  approvedVersion: z.int().positive().optional(),
  /** The newest version that persons approved: the tolerance is measured against it. */
  consentedVersion: z.int().positive().optional(),
  /** The latest 50. */
  approvals: z.array(Approval),
  approveUntil: instant,
  /** Until then its newest version may be approved; the approved one is carried out meanwhile. */
  offeredUntil: instant.optional(),
  pauses: z.array(Pause),
  hosts: z.array(HostTurn),
  counters: Counters,
  eta: EvacuationEta,
  /** VMs of which nobody knows where they run; 2,000 at most. */
  unknownVms: z.array(VmId),
  endedBy: EndedBy.optional(),
  /** With a rollback: the counters above are those of the way back. */
  forward: z
    .strictObject({
      status: EvacuationStatus,
      counters: Counters,
      /** That of the way there: the one above is of the way back, from when its VMs were listed. */
      eta: EvacuationEta.omit({ remainingMs: true }).optional(),
    })
    .optional(),
  executionArn: z.string().optional(),
  createdAt: instant,
  updatedAt: instant,
  startedAt: instant.optional(),
  endedAt: instant.optional(),
});
export type Evacuation = z.infer<typeof Evacuation>;

/** One try to move a VM. */
export const MoveTry = z.strictObject({
  migration: MigrationId,
  target: HostId,
  startedAt: instant,
  endedAt: instant.optional(),
  /** Real time without what it waited for, ms. */
  ms: z.number().nonnegative().optional(),
  /** Of that with slots, from the first pass to the end: what `predictedMs` of the move predicts, ms. */
  slotMs: z.number().nonnegative().optional(),
  /** Of that the transfer by QEMU's own figure, ms; where it completed. */
  transferMs: z.number().nonnegative().optional(),
  downtimeMs: z.number().nonnegative().optional(),
  bytes: z.number().nonnegative().optional(),
  /** Why it failed: code of the migration's failure. */
  code: z.string().optional(),
  class: ReasonClass.optional(),
  message: z.string().optional(),
});
export type MoveTry = z.infer<typeof MoveTry>;

/** Tries that a record keeps. */
export const TRIES_MAX = 20;

/** One VM of an evacuation. */
export const EvacuationMove = z.strictObject({
  vm: VmId,
  state: MoveState,
  source: HostId,
  /** Where it goes, or has gone; absent: no place is known. */
  target: HostId.optional(),
  /** `back`: it is moved back. */
  leg: z.enum(["forward", "back"]),
  /** The version of the plan that gave it its target. */
  version: z.int().positive(),
  /** Time with slots, from the first pass to the end, ms. */
  predictedMs: z.number().nonnegative().optional(),
  predictedBytes: z.number().nonnegative().optional(),
  predictedDowntimeMs: z.number().nonnegative().optional(),
  /** When it starts by its plan, ms after the evacuation's start. */
  startAtMs: z.number().nonnegative().optional(),
  /** The migration that moves it, or moved it last. */
  migration: MigrationId.optional(),
  tries: z.array(MoveTry).max(TRIES_MAX),
  /** What its owner was told. */
  notice: Notice.optional(),
  /** Not tried before. */
  notBefore: instant.optional(),
  /** Why it is in this state, and what to do about it. */
  reason: z.string().optional(),
  cure: z.string().optional(),
  updatedAt: instant,
});
export type EvacuationMove = z.infer<typeof EvacuationMove>;
