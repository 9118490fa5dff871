import { expect, it } from "vitest";
import { observationsOfEvacuation, observationsOfTry } from "./metrics.ts";

const named = (ended: Parameters<typeof observationsOfEvacuation>[0]) =>
  observationsOfEvacuation(ended).map(({ metric, labels, value }) => [
    metric.replace("switchyard_evacuation", ""),
    ...Object.values(labels),
    value,
  ]);

it.each([
  [
    "counts a completed one with its ratio, and the error of the end predicted at half-way",
    { status: "completed", eta: { ratio: 1.5, realMs: 1_000, halfwayEndMs: 900 } },
    [
      ["s_total", "completed", 1],
      ["_makespan_ratio", 1.5],
      ["_eta_error_ratio", 0.1],
    ],
  ],
  [
    "knows no error where nothing was predicted",
    { status: "completed", eta: { ratio: 1, realMs: 1_000 } },
    [
      ["s_total", "completed", 1],
      ["_makespan_ratio", 1],
    ],
  ],
  [
    "only counts one that has left VMs",
    {
      status: "completed-with-remainder",
      eta: { ratio: 3, realMs: 1_000, halfwayEndMs: 9 },
    },
    [["s_total", "completed-with-remainder", 1]],
  ],
] as const)("the end of an evacuation %s", (_, ended, expected) => {
  expect(named(ended)).toEqual(expected);
});

it("a delivery counts its delay, a try that has failed does not", () => {
  expect(observationsOfTry("failed", 1_000)).toHaveLength(1);
  expect(observationsOfTry("delivered", 1_500)[1]).toMatchObject({ value: 1.5 });
});
