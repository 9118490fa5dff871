import { expect, it } from "vitest";
import type { Migration } from "./migration/migration.ts";
import { MigrationPolicy } from "./negotiate/policy.ts";
import {
  observationsOf,
  observationsOfEvacuation,
  observationsOfMissed,
  observationsOfReplan,
  observationsOfTry,
  observationsOfWindow,
} from "./observations.ts";

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
    { status: "completed-with-remainder", eta: { ratio: 3, realMs: 1_000, halfwayEndMs: 9 } },
    [["s_total", "completed-with-remainder", 1]],
  ],
] as const)("the end of an evacuation %s", (_, ended, expected) => {
  expect(named(ended)).toEqual(expected);
});

it("a delivery counts its delay, a try that has failed does not", () => {
  expect(observationsOfTry("failed", 1_000)).toHaveLength(1);
  expect(observationsOfTry("delivered", 1_500)[1]).toMatchObject({ value: 1.5 });
});

const at = (second: number) => new Date(second * 1000).toISOString();
const migration = (rest: object = {}, ack: object = {}) =>
  ({
    status: "completed",
    createdAt: at(0),
    endedAt: at(60),
    updatedAt: at(60),
    policy: MigrationPolicy.parse({ ack }),
    phases: [
      { name: "precopy", startedAt: at(0) },
      { name: "await-ack", startedAt: at(10) },
      { name: "switchover", startedAt: at(17) },
    ],
    ack: { mode: "legacy", pendingDevices: [] },
    ...rest,
  }) as unknown as Migration;
const counted = (metric: string, ...ended: Parameters<typeof observationsOf>) =>
  observationsOf(...ended)
    .filter((one) => one.metric === metric)
    .map(({ labels, value }) => [...Object.values(labels), value]);

it.each([
  ["that was waited for", migration(), [["legacy", 7]]],
  ["of other devices", migration({ ack: { mode: "per-device" } }), [["per-device", 7]]],
  ["that does not exist", migration({ ack: { mode: "none" } }), []],
  ["of nothing agreed", migration({ ack: undefined }), []],
])("the wait for an ACK %s", (_, ended, expected) => {
  expect(counted("switchyard_ack_wait_seconds", ended)).toEqual(expected);
});

it.each([
  ["in time", migration({}, { deadlineMs: 8_000, onTimeout: "hold" }), []],
  ["late, and held", migration({}, { deadlineMs: 5_000, onTimeout: "hold" }), [["hold", 1]]],
  [
    "late, by the failure",
    migration({ status: "cancelled", failure: { code: "ack-timeout", phase: "await-ack" } }),
    [["cancel", 1]],
  ],
])("an ACK that came %s", (_, ended, expected) => {
  expect(counted("switchyard_ack_timeouts_total", ended)).toEqual(expected);
});

it("the way back counts its decisions, and one recovery of postcopy", () => {
  const decisions = [{ action: "wait" }, { action: "wait" }, { action: "end" }];
  const wayBack = { decisions, recoveryUri: null };
  const name = "switchyard_reconcile_decisions_total";
  expect(counted(name, migration(), wayBack)).toEqual([
    ["wait", 1],
    ["wait", 1],
    ["end", 1],
  ]);
  const recoveries = "switchyard_postcopy_recoveries_total";
  expect(counted(recoveries, migration(), wayBack)).toEqual([["completed", 1]]);
  expect(counted(recoveries, migration(), { decisions: [] })).toEqual([]);
});

it("plans and windows are counted by why and how", () => {
  const run = { startsAt: at(0), outcome: "refused", lateMs: 1_500, deliveries: 1 } as const;
  const found = [
    ...observationsOfReplan("target-needed"),
    ...observationsOfWindow(run),
    ...observationsOfMissed(3),
  ];
  expect(found.map(({ labels, value }) => [...Object.values(labels), value])).toEqual([
    ["target-needed", 1],
    ["refused", 1],
    [1.5],
    ["missed", 3],
  ]);
});

it("the VMs of an evacuation are counted by what became of them", () => {
  const counters = {
    total: 5,
    noticed: 0,
    waiting: 1,
    moving: 0,
    retrying: 0,
    moved: 3,
    unplaced: 1,
  };
  const rest = { failed: 0, skipped: 0, gone: 0 };
  const ended = { status: "cancelled", eta: {}, counters: { ...counters, ...rest } } as const;
  expect(named(ended).slice(1)).toEqual([
    ["_vms_total", "waiting", 1],
    ["_vms_total", "moved", 3],
    ["_vms_total", "unplaced", 1],
  ]);
});
