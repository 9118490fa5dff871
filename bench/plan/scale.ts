import { planEvacuation } from "../../core/plan/plan.ts";
import { drawFleet, type Shape } from "./fleets.ts";

/** 10,000 VMs on 1,000 hosts: half of the hosts are emptied, or nearly all of them in turn. */
const large: Shape = {
  name: "10,000 VMs on 1,000 hosts, 500 emptied",
  hosts: 1_000,
  leaving: 500,
  vmsPerHost: 20,
  mix: "mixed",
  linkGbit: 25,
  streamGbit: 12.5,
  room: 1.5,
  prepareMs: [1_500, 5_000],
};
const scales: readonly Shape[] = [
  large,
  { ...large, name: "10,000 VMs on 1,000 hosts, tight", room: 1.02 },
  {
    ...large,
    name: "9,800 VMs on 1,000 hosts, 980 emptied in turn, 20 at once",
    leaving: 980,
    vmsPerHost: 10,
    options: { hostsAtOnce: 20, returnAfterMs: 60_000 },
  },
];

const RUNS = 3;

export type Scale = {
  readonly name: string;
  readonly vms: number;
  /**
   * CPU time, median and longest of a few runs in one process; the first one has to compile the code.
   * The planner waits for nothing, so on an idle core it is the time that passes, or less.
   */
  readonly planningMs: number;
  readonly planningMsMax: number;
  /** Most memory of the process so far. */
  readonly rssMiB: number;
  readonly unplaced: number;
  readonly movesPerVm: number;
};

export function measureScales(): Scale[] {
  return scales.map((shape) => {
    const { snapshot, options } = drawFleet(shape, 1);
    const times: number[] = [];
    let plan = planEvacuation(snapshot, { ...options, empty: options.empty.slice(0, 1) });
    for (let run = 0; run < RUNS; run += 1) {
      const before = process.cpuUsage();
      plan = planEvacuation(snapshot, options);
      const used = process.cpuUsage(before);
      times.push((used.user + used.system) / 1000);
    }
    times.sort((one, other) => one - other);
    return {
      name: shape.name,
      vms: snapshot.vms.length,
      planningMs: Math.round(times[RUNS >> 1] ?? 0),
      planningMsMax: Math.round(times.at(-1) ?? 0),
      rssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
      unplaced: plan.unplaced.length,
      movesPerVm: plan.movesPerVm,
    };
  });
}
