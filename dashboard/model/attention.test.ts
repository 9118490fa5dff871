import { describe, expect, it } from "vitest";
import { attentionOf } from "./attention.ts";

const nowMs = Date.parse("2026-11-30T10:00:00Z");
const migration = { id: "mig_1", vm: "db", source: "a", target: "b", status: "running" };
const evacuation = {
  id: "evac_1",
  version: 2,
  hosts: [{ host: "host-a" }],
  pauses: [],
  unknownVms: [],
  counters: { failed: 1, unplaced: 1, skipped: 0 },
};

function titles(part: { migrations?: object[]; hosts?: object[]; evacuations?: object[] }) {
  const { migrations = [], hosts = [], evacuations = [] } = part;
  const found = attentionOf({ migrations, hosts } as never, evacuations as never, nowMs);
  return found.map(({ level, title }) => `${level}: ${title}`);
}

describe("what needs a person", () => {
  it("is nothing while all goes well", () => {
    const hosts = [{ id: "host-a", state: "active", vms: 1 }];
    const running = { ...evacuation, status: "running" };
    expect(titles({ migrations: [migration], hosts, evacuations: [running] })).toEqual([]);
  });

  it("is a guest of which nobody knows where it runs, and one that is held", () => {
    const unknown = { ...migration, status: "unknown" };
    const held = { ...migration, gate: { heldAtMs: 1 } };
    expect(titles({ migrations: [unknown, held] })).toEqual([
      "person: Nobody knows where db runs",
      "person: db is held before its switchover",
    ]);
  });

  it("is an ACK that is overdue where the policy is to wait on", () => {
    const phases = [{ name: "await-ack", startedAt: "2026-11-30T09:50:00Z" }];
    const policy = { ack: { onTimeout: "hold", deadlineMs: 300_000 } };
    const late = { ...migration, phase: "await-ack", phases, policy };
    const early = { ...late, policy: { ack: { onTimeout: "hold", deadlineMs: 3_600_000 } } };
    expect(titles({ migrations: [late, early] })).toEqual([
      "person: db waits for an ACK that is overdue",
    ]);
  });

  it("is a silent host, before one with an event that was passed", () => {
    const unfit = { id: "host-b", state: "active", vms: 0, unfitEvent: { type: "x", reason: "y" } };
    const silent = { id: "host-d", state: "silent", vms: 17 };
    expect(titles({ hosts: [unfit, silent] })).toEqual([
      "person: host-d is silent",
      "look: An event of host-b could not be recorded",
    ]);
  });

  it("is an evacuation that waits, and for a day one that left something", () => {
    const remainder = { ...evacuation, status: "completed-with-remainder" };
    const evacuations = [
      { ...remainder, endedAt: "2026-11-30T09:00:00Z" },
      { ...remainder, endedAt: "2026-11-28T09:00:00Z" },
      { ...evacuation, status: "planned" },
      { ...evacuation, status: "paused" },
    ];
    expect(titles({ evacuations })).toEqual([
      "person: Version 2 of the plan for host-a awaits approval",
      "person: The evacuation of host-a is paused",
      "look: host-a: not empty",
    ]);
  });
});
