import { describe, expect, it } from "vitest";
import { MigrationPolicy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import { agree, on, reason, refuse } from "./testing/negotiating.ts";

const able = { source: { tls: ["psk" as const] }, target: { tls: ["psk" as const] } };

describe("policy.tls", () => {
  it("is off unless asked for, and the record has that choice", () => {
    const agreement = agree(able);
    expect(agreement.tls).toBeUndefined();
    expect(agreement.source.parameters["tls-creds"]).toBe("");
    expect(reason(agreement, "tls")).toContain("off");
  });

  it("psk sets the same credentials at both sides, with multifd too", () => {
    const policy = { tls: "psk", capabilities: { multifd: "require" } };
    const agreement = agree({ ...able, policy });
    expect(agreement.tls).toBe("psk");
    expect(agreement.source.parameters["tls-creds"]).toBe("switchyard-tls");
    expect(agreement.target.parameters["tls-creds"]).toBe("switchyard-tls");
    expect(agreement.choices.find(({ subject }) => subject === "tls")?.value).toBe("psk");
    expect(on(agreement.source)).toContain("multifd");
  });

  it("is refused with a cure for each side that does not support it", () => {
    const [blocker, ...more] = refuse({ target: { tls: ["x509"] }, policy: { tls: "x509" } });
    expect(blocker).toMatchObject({ code: "tls-unavailable", field: "source.tls" });
    expect(blocker?.cure).toContain("client-cert.pem");
    expect(more).toEqual([]);
    const old = refuse({ policy: { tls: "psk" } });
    expect(old.map(({ field }) => field)).toEqual(["source.tls", "target.tls"]);
  });

  it("drops zero-copy-send if that is only asked for", () => {
    const capabilities = { multifd: "ask", "zero-copy-send": "ask" };
    const agreement = agree({ ...able, policy: { tls: "psk", capabilities } });
    expect(on(agreement.source)).not.toContain("zero-copy-send");
    expect(on(agreement.source)).toContain("multifd");
  });

  it.each([
    [{ capabilities: { multifd: "require", "zero-copy-send": "require" } }, "policy.tls"],
    [{ parameters: { "tls-creds": "other" } }, "policy.parameters.tls-creds"],
  ])("contradicts %j", (policy, field) => {
    const found = checkPolicy(MigrationPolicy.parse({ tls: "psk", ...policy }));
    expect(found.map((blocker) => blocker.field)).toEqual([field]);
  });

  it("is required by the flag TLS", () => {
    const codes = (policy: object) =>
      checkPolicy(MigrationPolicy.parse({ flags: ["TLS"], ...policy })).map(({ code }) => code);
    expect(codes({})).toEqual(["missing-prerequisite"]);
    expect(codes({ tls: "psk" })).toEqual([]);
  });
});

describe("policy.maxBandwidthBytesPerSecond", () => {
  it("is max-bandwidth at the source; without it there is no limit", () => {
    const limited = agree({ policy: { maxBandwidthBytesPerSecond: 5_000_000 } });
    expect(limited.source.parameters["max-bandwidth"]).toBe(5_000_000);
    expect(limited.target.parameters["max-bandwidth"]).toBeUndefined();
    expect(agree({}).source.parameters["max-bandwidth"]).toBe(0);
  });

  it("must not differ from the parameter", () => {
    const parameters = { "max-bandwidth": 1_000_000 };
    const policy = { parameters, maxBandwidthBytesPerSecond: 2_000_000 };
    const found = checkPolicy(MigrationPolicy.parse(policy));
    expect(found.map(({ code }) => code)).toEqual(["contradiction"]);
  });
});
