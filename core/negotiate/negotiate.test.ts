import { describe, expect, it } from "vitest";
import { agree, on, reason } from "./testing/negotiating.ts";
import { commonMachine, qemuProbe, releases } from "./testing/probes.ts";

describe("without wishes", () => {
  it.each(releases.flatMap((from) => releases.map((to) => [from, to] as const)))(
    "%s to %s: events everywhere, return path, and the ACK where both have it",
    (from, to) => {
      const agreement = agree({ from, to });
      const both = from !== "7.2" && to !== "7.2";
      const ack = both ? ["switchover-ack"] : [];
      expect(on(agreement.source)).toEqual(["events", "return-path", ...ack]);
      expect(on(agreement.target)).toEqual(both ? ["events", "return-path", ...ack] : ["events"]);
      expect(agreement.machineType).toBe(commonMachine(from, to));
      expect(Object.keys(agreement.source.capabilities)).toEqual(qemuProbe(from).capabilities);
      expect(Object.keys(agreement.target.capabilities)).toEqual(qemuProbe(to).capabilities);
    },
  );

  it("each capability that is on, and each parameter, has one choice with a reason", () => {
    const agreement = agree({ policy: { capabilities: { multifd: "ask" } } });
    const subjects = agreement.choices.map(({ subject }) => subject);
    expect(subjects).toEqual(expect.arrayContaining(on(agreement.source)));
    expect(subjects).toEqual(expect.arrayContaining(Object.keys(agreement.source.parameters)));
    expect(subjects).toEqual(expect.arrayContaining(["ack", "tls"]));
    expect(new Set(subjects).size).toBe(subjects.length);
    expect(agreement.choices.every((choice) => choice.reason.length > 0)).toBe(true);
  });

  it("names the reason why the ACK is off with QEMU 7.2", () => {
    expect(reason(agree({ to: "7.2" }), "switchover-ack")).toBe(
      "off: the target's QEMU 7.2.2 does not have it",
    );
  });
});

it("flags without effect are listed as such", () => {
  const agreement = agree({ policy: { flags: ["VIR_MIGRATE_LIVE", "peer2peer", "LIVE"] } });
  expect(agreement.choices.filter(({ subject }) => subject.startsWith("flag "))).toEqual([
    {
      subject: "flag LIVE",
      value: true,
      reason: "no effect: the guest always runs while its memory is sent",
    },
    {
      subject: "flag PEER2PEER",
      value: true,
      reason: "no effect: the agents of the two hosts are always connected",
    },
  ]);
});
