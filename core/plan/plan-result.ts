import type { HostId, VmId } from "../id.ts";
import type { Blocker } from "../negotiate/agreement.ts";
import type { BoundTerm } from "./lower-bound.ts";
import type { NPlusOne } from "./n-plus-one.ts";

/** Hosts that refuse a VM for the same reasons. */
export type HostReasons = { readonly hosts: readonly HostId[]; readonly blockers: Blocker[] };

/** Why a VM has no place: every host of the fleet, its own among them, is in one of the lists. */
export type Explanation = {
  readonly reasons: readonly HostReasons[];
  /** Hosts that would take it, were it not for its own reasons. */
  readonly fitting: readonly HostId[];
  /** What is the nearest to help. */
  readonly cures: readonly string[];
};

/** One migration of a plan. Times are ms after the evacuation begins. */
export type PlannedMove = {
  readonly vm: VmId;
  readonly source: HostId;
  readonly target: HostId;
  readonly prepareAtMs: number;
  readonly startAtMs: number;
  readonly endAtMs: number;
  readonly bytes: number;
  readonly bytesPerSecond: number;
  readonly downtimeMs: number;
  /** False: its guest dirties memory faster than it can be sent. */
  readonly converges: boolean;
  /** Learned from its earlier migrations; else assumed (`assumptions` of the plan). */
  readonly isLearned: boolean;
  /** Its VM has moved before in this plan, or is on its way to the source when it begins. */
  readonly isSecondMove: boolean;
  /** Its VM is on its way to the source when the plan begins. */
  readonly isArriving: boolean;
  /** Preferences that this placement gives up, for people. */
  readonly brokenWishes: readonly string[];
};

/** A VM that keeps its host to be emptied from being empty. */
export type UnplacedVm = {
  readonly vm: VmId;
  readonly host: HostId;
  /** Reasons that lie in the VM itself. */
  readonly blockers: readonly Blocker[];
  /** Index in the plan's `explanations`: why each host refuses it. VMs that are alike share one. */
  readonly explanation: number;
};

/** A change, and the lower bound then; or the predicted end, where the bound does not change. */
export type Faster = { readonly change: string } & (
  | { readonly lowerBoundMs: number }
  | { readonly etaMs: number }
);

export type Plan = {
  /** In the order of their starts. */
  readonly moves: readonly PlannedMove[];
  readonly unplaced: readonly UnplacedVm[];
  /** VMs with a place whose turn does not come in any of the windows. */
  readonly beyondWindows: readonly VmId[];
  readonly explanations: readonly Explanation[];
  /** In the order in which they begin. `emptiedAtMs` is absent where guests remain. */
  readonly hosts: readonly {
    readonly host: HostId;
    readonly moves: number;
    readonly unplaced: number;
    readonly emptiedAtMs?: number;
  }[];
  /** Predicted end, ms after the start, and the band in which it is likely to be. */
  readonly eta: { readonly ms: number; readonly lowMs: number; readonly highMs: number };
  readonly bytes: number;
  readonly longestDowntimeMs: number;
  /** No schedule ends before; and with the slots that the rates lead to. */
  readonly lowerBoundMs: number;
  readonly slotBoundMs: number;
  /** Predicted end / lower bound; 1 where nothing moves. */
  readonly ratio: number;
  /** Migrations per VM that moves, those in flight to its source among them: 1 unless VMs move twice. */
  readonly movesPerVm: number;
  /** VMs that move twice, for the approver. */
  readonly secondMoves: readonly VmId[];
  readonly bottleneck?: { readonly term: BoundTerm; readonly text: string };
  /** What would have to change for an earlier end. */
  readonly faster: readonly Faster[];
  /** Memory that the guests need, and that all targets together have, bytes. */
  readonly memory: { readonly neededBytes: number; readonly freeBytes: number };
  readonly nPlusOne?: NPlusOne & { readonly text: string };
  /** Whether the deadline and the window are kept; `impossible`: the lower bound exceeds them. */
  readonly inTime: "yes" | "late" | "impossible";
  /** Why the plan as a whole cannot be carried out. */
  readonly refusals: readonly Blocker[];
  readonly warnings: readonly string[];
  /** What was assumed for want of knowledge. */
  readonly assumptions: readonly string[];
  readonly errorBudget?: number;
};
