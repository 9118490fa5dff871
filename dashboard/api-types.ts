import type { Client } from "../client/client.ts";
import type { Plan } from "../core/plan/plan-result.ts";

export type Fleet = Awaited<ReturnType<Client["getFleet"]>>;
export type Host = Fleet["hosts"][number];
/** A host by itself: with its facts. */
export type HostRecord = Awaited<ReturnType<Client["getHost"]>>;
export type Moving = Fleet["migrations"][number];
export type Migration = Awaited<ReturnType<Client["getMigration"]>>;
export type Sample = Awaited<ReturnType<Client["listSamples"]>>["items"][number];
export type TimelineEntry = Awaited<ReturnType<Client["getTimeline"]>>["items"][number];
export type Evacuation = Awaited<ReturnType<Client["getEvacuation"]>>;
export type EvacuationMove = Awaited<ReturnType<Client["listEvacuationMoves"]>>["items"][number];
export type PlanVersion = Awaited<ReturnType<Client["getEvacuationPlan"]>>;
export type Schedule = Awaited<ReturnType<Client["getSchedule"]>>;
export type ChangeFreeze = Awaited<ReturnType<Client["listChangeFreezes"]>>["items"][number];
export type Vm = Awaited<ReturnType<Client["getVm"]>>;
export type Placement = Awaited<ReturnType<Client["getPlacement"]>>;

/** The planner's result: the API's document says little of its shape. */
export function planOf(version: { readonly plan: object }): Plan {
  return version.plan as unknown as Plan;
}
