import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { EvacuationId, VmId } from "../../core/id.ts";
import { requireEvacuation } from "../../functions/service/change-evacuation.ts";
import { startNext } from "../../functions/service/next-moves.ts";
import { findMove, putNewMove } from "../../functions/store/evacuation-moves.ts";
import { EVERYTHING } from "../../functions/store/evacuation-wakes.ts";
import { operate } from "../functions/testing/fleet.ts";
import { Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** Several pages of the queue. */
const MANY = 450;

let scene: Scene;
let requests = 0;

beforeAll(async () => {
  scene = await Scene.start((service, transport) => ({
    handle: (request) => {
      if (service === "DYNAMODB") requests += 1;
      return transport.handle(request);
    },
  }));
});
afterAll(() => scene?.close());

it("moves that wait for a full target cost a step the same, however many they are", async () => {
  const { a = "", b = "" } = await scene.fleet({ a: 2, b: 0, x: 1 });
  for (const name of ["a1", "a2", "x1"]) scene.hold(name);
  await scene.post("/v1/migrations", { vm: scene.harness.vm("x1"), target: b });
  await scene.harness.runUntilIdle();
  const { body } = await operate("POST", `/v1/hosts/${scene.guests.agents[2]?.host}/cordon`, {});
  expect(body).toMatchObject({ state: "cordoned" });
  const { id } = await scene.harness.begin([a]);
  await scene.harness.runUntilIdle();
  expect(await scene.harness.read(id)).toMatchObject({ counters: { waiting: 2, moving: 0 } });
  const evacuation = EvacuationId.parse(id);
  const cost = async () => {
    requests = 0;
    const begun = await startNext(await requireEvacuation(evacuation), new Set([EVERYTHING]));
    expect(begun.isHeld).toBe(true);
    return requests;
  };
  const few = await cost();
  const move = await findMove(evacuation, VmId.parse(scene.harness.vm("a1")));
  if (move === undefined) throw new Error("Expected a move of a1");
  const others = Array.from({ length: MANY }, (_, index) => VmId.parse(`other-${index}`));
  for (const [place, vm] of others.entries()) {
    await putNewMove(evacuation, { ...move, vm, order: 1_000 + place });
  }
  // One more: the plan's targets are read.
  expect(await cost()).toBeLessThanOrEqual(few + 1);
});
