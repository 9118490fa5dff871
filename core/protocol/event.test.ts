import { expect, it } from "vitest";
import { AgentEvent, EventBatch } from "./event.ts";

const about = { migrationId: "mig_01J9Z3ABCDEFGHJKMNPQRSTVWX", vm: "web1", epoch: 1 };
const event = { seq: 1, atMs: 1_000, body: { type: "migration.started", ...about } };
const batch = (count: number) => ({ version: 1, host: "host-a", events: Array(count).fill(event) });

it("an event is parsed as it was emitted", () => {
  expect(AgentEvent.parse(event)).toEqual(event);
});

it.each([
  ["a number of 0", { seq: 0 }],
  ["a time before the epoch", { atMs: -1 }],
  ["an unknown type", { body: { type: "agent.started", facts: {} } }],
  ["an unknown field", { body: { ...event.body, more: 1 } }],
  ["no migration", { body: { ...event.body, migrationId: undefined } }],
  ["unknown evidence", { body: { ...about, type: "migration.acked", evidence: "device-event" } }],
  ["a name that is none", { body: { type: "guest.exited", vm: "Web 1", detail: "" } }],
])("an event with %s is refused", (_, wrong) => {
  expect(AgentEvent.safeParse({ ...event, ...wrong }).success).toBe(false);
});

it.each([
  [0, true],
  [1, true],
  [100, true],
  [101, false],
])("a batch may hold %d events: %s", (count, expected) => {
  expect(EventBatch.safeParse(batch(count)).success).toBe(expected);
});
