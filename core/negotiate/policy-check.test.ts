import { expect, it } from "vitest";
import { MigrationPolicy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";

const check = (policy: Record<string, unknown>) => checkPolicy(MigrationPolicy.parse(policy));

it.each([
  {},
  { capabilities: { multifd: "ask", xbzrle: "ask", "zero-copy-send": "ask" } },
  // QEMU 7.2 accepts these two, so only the probes of both hosts decide.
  { capabilities: { multifd: "require", xbzrle: "require" } },
  { capabilities: { multifd: "require", "postcopy-ram": "require" } },
  { capabilities: { "background-snapshot": "forbid", "return-path": "forbid" } },
  { downtimeLimitMs: 50, parameters: { "downtime-limit": 50 } },
  { capabilities: { multifd: "require" }, parameters: { "multifd-channels": 8 } },
  { parameters: { "max-bandwidth": "18446744073709551615" } },
])("%j is sound", (policy) => {
  expect(check(policy)).toEqual([]);
});

it("a transport is no member of a policy", () => {
  expect(MigrationPolicy.safeParse({ transport: "tcp" }).success).toBe(false);
});

const problems: [policy: Record<string, unknown>, code: string, field: string, message: RegExp][] =
  [
    [
      { capabilities: { multifdd: "ask" } },
      "unknown-capability",
      "policy.capabilities.multifdd",
      /name of a QEMU migration capability, got `multifdd`/,
    ],
    [
      { capabilities: { events: "forbid" } },
      "needed-capability",
      "policy.capabilities.events",
      /`events` cannot be forbidden/,
    ],
    [
      { parameters: { "multifd-channels": 256 } },
      "invalid-parameter",
      "policy.parameters.multifd-channels",
      /integer of 1 to 255 connections, got `256` \(number\)/,
    ],
    [
      { parameters: { downtime: 1 } },
      "unknown-parameter",
      "policy.parameters.downtime",
      /got `downtime`/,
    ],
    [
      { downtimeLimitMs: 50, parameters: { "downtime-limit": 60 } },
      "contradiction",
      "policy.parameters.downtime-limit",
      /to be 50 as policy.downtimeLimitMs, got `60`/,
    ],
    [
      {
        switchoverBandwidthBytesPerSecond: 2000,
        parameters: { "avail-switchover-bandwidth": 3000 },
      },
      "contradiction",
      "policy.parameters.avail-switchover-bandwidth",
      /to be 2000 as policy.switchoverBandwidthBytesPerSecond, got `3000`/,
    ],
    [
      { parameters: { "max-cpu-throttle": 10 } },
      "invalid-parameter",
      "policy.parameters.max-cpu-throttle",
      /at least `cpu-throttle-initial` \(20\), got `10`/,
    ],
    [
      { capabilities: { multifd: "forbid" }, parameters: { "multifd-channels": 4 } },
      "contradiction",
      "policy.parameters.multifd-channels",
      /tunes the capability `multifd`, got `forbid`/,
    ],
    [
      { capabilities: { multifd: "forbid" }, flags: ["PARALLEL"] },
      "contradiction",
      "policy.capabilities.multifd",
      /policy.flags.PARALLEL requires `multifd`, got `forbid`/,
    ],
    [
      { capabilities: { "switchover-ack": "require", "return-path": "forbid" } },
      "missing-prerequisite",
      "policy.capabilities.switchover-ack",
      /Capability 'switchover-ack' requires capability 'return-path'.*policy.capabilities.return-path is `forbid`/,
    ],
    [
      { capabilities: { "zero-copy-send": "require" } },
      "missing-prerequisite",
      "policy.capabilities.zero-copy-send",
      /requires `multifd`.*it is not asked for/,
    ],
    [
      { capabilities: { "dirty-limit": "require", "auto-converge": "require" } },
      "excluded-capability",
      "policy.capabilities.dirty-limit",
      /dirty-limit conflicts with auto-converge/,
    ],
    [
      {
        capabilities: { "zero-copy-send": "require", multifd: "require" },
        parameters: { "multifd-compression": "zstd" },
      },
      "excluded-capability",
      "policy.parameters.multifd-compression",
      /non-compressed non-TLS multifd migration.*got `multifd-compression` zstd/,
    ],
    [
      { flags: ["TUNNELLED"] },
      "unsupported-flag",
      "policy.flags.TUNNELLED",
      /the stream always goes from QEMU to QEMU/,
    ],
  ];

it.each(problems)("%j: %s names the field, the rule and the value", (policy, code, field, text) => {
  const found = check(policy);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ code, field, message: expect.stringMatching(text) });
  expect(found[0]?.cure).not.toBe("");
});

it.each([
  "background-snapshot",
  "x-colo",
  "x-ignore-shared",
  "mapped-ram",
  "block",
  "compress",
  "rdma-pin-all",
])("%s cannot even be asked for", (name) => {
  for (const wish of ["ask", "require"]) {
    expect(check({ capabilities: { [name]: wish } })[0]).toMatchObject({
      code: "unusable-capability",
      field: `policy.capabilities.${name}`,
    });
  }
  expect(check({ capabilities: { [name]: "forbid" } })).toEqual([]);
});

it("lists all problems at once, and truncates a caller's long text", () => {
  const found = check({
    capabilities: { ["x".repeat(10_000)]: "ask" },
    parameters: { y: 1, "multifd-channels": "no" },
    flags: ["Z"],
  });
  expect(found.map(({ code }) => code)).toEqual([
    "unknown-flag",
    "unknown-capability",
    "unknown-parameter",
    "invalid-parameter",
  ]);
  expect(JSON.stringify(found).length).toBeLessThan(2_000);
});
