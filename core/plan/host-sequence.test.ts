import { expect, it } from "vitest";
import { doneBefore, HostSequence } from "./host-sequence.ts";

const order = [10, 11, 12, 13, 14, 15];

/** Hosts that begin at first, and after each that is done. */
function begun(limits: { canaryHosts?: number; ramp?: number[]; hostsAtOnce?: number }) {
  const sequence = new HostSequence(order, { canaryHosts: 0, ramp: [], hostsAtOnce: 0, ...limits });
  const steps = [[...sequence.begin()]];
  for (const _ of order) {
    sequence.done();
    steps.push([...sequence.begin()]);
  }
  return steps.map((step) => step.join(" "));
}

it.each([
  ["all at once", {}, ["10 11 12 13 14 15", "", "", "", "", "", ""]],
  ["one at a time", { hostsAtOnce: 1 }, ["10", "11", "12", "13", "14", "15", ""]],
  ["two at once", { hostsAtOnce: 2 }, ["10 11", "12", "13", "14", "15", "", ""]],
  ["a canary, then all", { canaryHosts: 1 }, ["10", "11 12 13 14 15", "", "", "", "", ""]],
  [
    "a canary, one, then two at once",
    { canaryHosts: 1, ramp: [1], hostsAtOnce: 2 },
    ["10", "11", "12 13", "14", "15", "", ""],
  ],
  ["steps of two and three", { ramp: [2, 3] }, ["10 11", "", "12 13 14", "", "", "15", ""]],
])("begins %s", (_, limits, expected) => {
  expect(begun(limits)).toEqual(expected);
});

it.each([
  [0, -1],
  [1, 0],
  [2, 1],
  [3, 1],
  [4, 2],
])("the host at position %i begins when position %i is sure to be done", (position, last) => {
  const limits = { canaryHosts: 1, ramp: [1], hostsAtOnce: 2 };
  expect(doneBefore(position, limits)).toBe(last);
});
