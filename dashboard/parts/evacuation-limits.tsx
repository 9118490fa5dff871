import { client } from "../api.ts";
import type { Evacuation } from "../api-types.ts";
import { ask } from "./ask.tsx";

const MIB = 2 ** 20;

/** Changes moves at once, the error budget and the bandwidth of each move. */
export function askLimits(
  { id, limits }: Evacuation,
  after: (text: string) => Promise<string>,
): undefined {
  const { movesAtOnce, errorBudget, maxBandwidthBytesPerSecond: bandwidth } = limits;
  return ask({
    title: "Limits of this evacuation",
    body: <p>They hold from the next start on. What is left empty stays as it is.</p>,
    yes: "Change them",
    fields: [
      {
        name: "moves",
        label: "Moves at once, over all hosts",
        ...initial(movesAtOnce),
        kind: "whole",
        isOptional: true,
      },
      {
        name: "failures",
        label: "VMs that may fail before it pauses",
        ...initial(errorBudget),
        kind: "whole",
        isOptional: true,
      },
      {
        name: "rate",
        label: "MiB/s of each move, 0 for no limit",
        ...initial(bandwidth === undefined ? undefined : bandwidth / MIB),
        kind: "decimal",
        isOptional: true,
      },
    ],
    command: `switchyard evacuation limits ${id} --moves-at-once 4`,
    act: async (text) => {
      const moves = text("moves");
      const failures = text("failures");
      const rate = text("rate");
      await client().setEvacuationLimits(id, {
        ...(moves !== "" ? { movesAtOnce: Number(moves) } : {}),
        ...(failures !== "" ? { errorBudget: Number(failures) } : {}),
        ...(rate !== "" ? { maxBandwidthBytesPerSecond: Math.round(Number(rate) * MIB) } : {}),
      });
      return after("The limits are changed");
    },
  });
}

function initial(value: number | undefined) {
  return value === undefined ? {} : { value: String(value) };
}
