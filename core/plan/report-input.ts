import type { Assignment } from "./assignment.ts";
import type { EtaBand } from "./eta.ts";
import type { Explainer } from "./explain.ts";
import type { Fleet } from "./fleet.ts";
import type { LowerBound } from "./lower-bound.ts";
import type { NPlusOne } from "./n-plus-one.ts";
import type { PlanOptions } from "./options.ts";
import type { Schedule } from "./schedule.ts";

/** More migrations prepared ahead per host, and the predicted end then. */
export type PreparedAhead = { readonly prepareAhead: number; readonly etaMs: number };

/** All that was worked out, for whoever puts it into words. */
export type ReportInput = {
  readonly fleet: Fleet;
  readonly options: PlanOptions;
  readonly assignment: Assignment;
  readonly schedule: Schedule;
  readonly bound: LowerBound;
  readonly band: EtaBand;
  readonly nPlusOne: NPlusOne | undefined;
  readonly explainer: Explainer;
  readonly preparedAhead: PreparedAhead | undefined;
};
