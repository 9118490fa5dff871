import { afterAll, beforeAll, expect, it } from "vitest";
import { APPROVALS_MAX } from "../../core/evacuation/life.ts";
import { PAUSES_MAX } from "../../core/evacuation/pausing.ts";
import { EvacuationRequest, HOSTS_MAX } from "../../core/evacuation/request.ts";
import { EvacuationId } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { ITEM_BYTES_MAX } from "../../emulators/aws/dynamodb/item-bytes.ts";
import { UNKNOWN_VMS_MAX } from "../../functions/service/end-move.ts";
import { newEvacuation } from "../../functions/service/request-evacuation.ts";
import {
  changeEvacuation,
  createEvacuation,
  findEvacuation,
} from "../../functions/store/evacuations.ts";
import { keys } from "../../functions/store/keys.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { hostId, vmId } from "./testing/fixtures.ts";
import { storedBytes } from "./testing/stored-bytes.ts";

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud?.close());

const id = EvacuationId.parse("evac_01KA5TZZZZZZZZZZZZZZZZZZZZ");
const at = "2026-11-30T10:00:00.000Z";
const text = "\u20ac".repeat(500);
const person = (place: number) => `${place}`.padEnd(63, "\u20ac");
const hosts = Array.from({ length: HOSTS_MAX }, (_, place) => hostId(`${place}`.padEnd(63, "h")));
const labels = Object.fromEntries(
  Array.from({ length: 64 }, (_, place) => [`${place}`.padEnd(63, "l"), "\u20ac".repeat(253)]),
);
const tenants = Array.from({ length: 100 }, (_, place) => `${place}`.padEnd(63, "t"));

it("the record of the largest evacuation, with the most of everything, is below 400 KB", async () => {
  const request = EvacuationRequest.parse({
    hosts,
    by: person(0),
    notice: { deadlineMs: 1_000, labels, tenants, message: text },
  });
  const moves = { moves: 10_000 };
  const plan = {
    hosts: hosts.map((host) => ({ host, ...moves })),
    moves: [],
    unplaced: [],
    eta: { ms: 1.5, lowMs: 1.5, highMs: 1.5 },
    lowerBoundMs: 1.5,
  } as unknown as Plan;
  const openTimes = Array.from({ length: 50 }, () => ({ from: at, until: at }));
  const made = { plan, nowMs: Date.parse(at), bodyHash: "f".repeat(64), openTimes };
  expect(await createEvacuation(newEvacuation(id, request, made))).toBe(true);
  const before = await findEvacuation(id);
  if (before === undefined) throw new Error("Expected an evacuation");
  const pause = (place: number) => ({
    reason: "operator" as const,
    author: person(place),
    message: text,
    since: at,
    endsWith: "it waits for you: POST …/resume allows as many failures again, or cancel",
  });
  const pauses = Array.from({ length: PAUSES_MAX }, (_, place) => [
    `operator ${person(place)}`,
    pause(place),
  ]);
  const end = { action: "uncordon" as const, author: person(1), at };
  const after = await changeEvacuation(before, {
    approvals: Array.from({ length: APPROVALS_MAX }, (_, place) => ({
      by: person(place),
      version: 50,
      at,
    })),
    pauses: Object.fromEntries(pauses),
    hosts: before.hosts.map((turn) => ({ ...turn, begunAt: at, endedAt: at })),
    uncordoned: Object.fromEntries(hosts.map((host) => [host, end])),
    unknownVms: Array.from({ length: UNKNOWN_VMS_MAX }, (_, n) => vmId(`${n}`.padEnd(63, "v"))),
    endedBy: { ...end, message: text },
    forward: { status: "completed", counters: before.counters, eta: before.eta },
  });
  expect(after).toBeDefined();
  const bytes = await storedBytes(keys.evacuation(id));
  expect(bytes).toBeLessThan(ITEM_BYTES_MAX - 32 * 1024);
  expect(bytes).toBeGreaterThan(ITEM_BYTES_MAX / 2);
});
