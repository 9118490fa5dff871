import assert from "node:assert/strict";
import {
  downtimeMs,
  expectAckAfter,
  expectAcked,
  expectCompleted,
  median,
  RATIO_MAX,
} from "../expect.ts";
import { type Move, move } from "../move.ts";
import {
  describeMove,
  type Observation,
  type Scenario,
  type ScenarioContext,
} from "../scenario.ts";

const VF0 = ["vf0"];

export const stock: Scenario = {
  name: "stock",
  claim: "a device of the kernel's own driver moves, and its ACK is seen",
  run: async ({ fleet }) => {
    const seen = await move(fleet, { knobs: "stock", policy: requireAck });
    expectCompleted(seen);
    expectAcked(seen, VF0);
    return { move: seen };
  },
};

export const init2s: Scenario = {
  name: "init-2s",
  claim: "with the ACK a device that loads for 2 s costs a tenth of the downtime at most",
  run: async (context) => compare(context, 2_000, context.runs),
};

export const init4s: Scenario = {
  name: "init-4s",
  claim: "the same with 4 s",
  run: async (context) => compare(context, 4_000, 1),
};

const requireAck = { capabilities: { "switchover-ack": "require" } } as const;
const forbidAck = { capabilities: { "switchover-ack": "forbid" } } as const;

async function compare(
  { fleet, print }: ScenarioContext,
  loadInitMs: number,
  runs: number,
): Promise<Observation> {
  const withAck: Move[] = [];
  const without: Move[] = [];
  for (let run = 0; run < runs; run += 1) {
    const plain = await move(fleet, { knobs: { loadInitMs }, policy: forbidAck });
    print(`without the ACK: ${describeMove(plain)}`);
    expectCompleted(plain);
    assert.equal(plain.migration.ack?.mode, "none");
    without.push(plain);
    const acked = await move(fleet, { knobs: { loadInitMs }, policy: requireAck });
    print(`with the ACK: ${describeMove(acked)}`);
    expectCompleted(acked);
    expectAcked(acked, VF0);
    expectAckAfter(acked, loadInitMs);
    withAck.push(acked);
  }
  const figures = { on: withAck.map(downtimeMs), off: without.map(downtimeMs) };
  const ratio = median(figures.on) / median(figures.off);
  for (const ms of figures.off) assert.ok(ms >= loadInitMs, `${ms} ms without the ACK`);
  print(`ratio ${ratio.toFixed(3)} of ${figures.on.join(", ")} to ${figures.off.join(", ")} ms`);
  assert.ok(
    ratio <= RATIO_MAX,
    `Expected the downtime with the ACK to be ${RATIO_MAX} of the downtime without, got ${ratio.toFixed(3)}: ${JSON.stringify(figures)}`,
  );
  const typical = withAck.find((one) => downtimeMs(one) <= median(figures.on)) ?? withAck[0];
  return {
    ...(typical === undefined ? {} : { move: typical }),
    downtimeMs: median(figures.on),
    ratio,
    downtimesMs: figures,
  };
}
