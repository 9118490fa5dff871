import { describe, expect, it } from "vitest";
import { guestClockBlockers } from "./guest-clock.ts";
import { MigrationPolicy } from "./policy.ts";
import { vmDefinition } from "./testing/probes.ts";

const port = { driver: "virtserialport", chardev: "qga", name: "org.qemu.guest_agent.0" };

describe("a guest's clock that is to be set", () => {
  const set = MigrationPolicy.parse({ guestClock: "set" });

  it("needs the guest agent's channel", () => {
    const other = { ...port, name: "com.example.0" };
    expect(guestClockBlockers(set, { ...vmDefinition(), devices: [other] })).toMatchObject([
      { code: "guest-agent-missing", field: "policy.guestClock" },
    ]);
    expect(guestClockBlockers(set, { ...vmDefinition(), devices: [port] })).toEqual([]);
  });

  it("is left by default", () => {
    expect(guestClockBlockers(MigrationPolicy.parse({}), vmDefinition())).toEqual([]);
  });
});
