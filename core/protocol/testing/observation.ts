import type { Observation } from "../observation.ts";

/** Of a side whose QEMU runs and answers, and which has not done anything yet. */
export function observation(side: Observation["side"], rest: Partial<Observation>): Observation {
  return {
    side,
    process: "running",
    remembers: true,
    permittedToRun: false,
    contSent: false,
    arrived: false,
    saidCompleted: false,
    linkUp: false,
    ...rest,
  };
}
