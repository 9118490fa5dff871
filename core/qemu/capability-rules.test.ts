import { describe, expect, it } from "vitest";
import type { ParameterValue } from "../protocol/probe.ts";
import { capabilities } from "./capabilities.ts";
import { capabilitiesOf, checkCapabilities } from "./capability-rules.ts";

const ALL = ["7.2", "10.0", "11.1"];
const ZERO_COPY = "Zero copy only available for non-compressed non-TLS multifd migration";

/** Refused when every pair was tried on QEMU; those of `background-snapshot` are listed apart. */
const refusedPairs: [one: string, two: string, versions: string[], error: string][] = [
  [
    "auto-converge",
    "dirty-limit",
    ["10.0", "11.1"],
    "dirty-limit conflicts with auto-converge either of then available currently",
  ],
  ["compress", "multifd", ["7.2"], "Multifd is not compatible with compress"],
  ["compress", "postcopy-preempt", ["7.2"], "Postcopy preempt not compatible with compress"],
  ["compress", "zero-copy-send", ["7.2"], ZERO_COPY],
  [
    "mapped-ram",
    "postcopy-ram",
    ["10.0", "11.1"],
    "Mapped-ram migration is incompatible with postcopy",
  ],
  ["mapped-ram", "xbzrle", ["10.0", "11.1"], "Mapped-ram migration is incompatible with xbzrle"],
  ["multifd", "postcopy-ram", ["10.0"], "Postcopy is not yet compatible with multifd"],
  ["multifd", "xbzrle", ["10.0", "11.1"], "Multifd is not compatible with xbzrle"],
  ["postcopy-ram", "x-ignore-shared", ALL, "Postcopy is not compatible with ignore-shared"],
  ["xbzrle", "zero-copy-send", ALL, ZERO_COPY],
];

const excludedBySnapshot = [
  "auto-converge",
  "compress",
  "dirty-bitmaps",
  "late-block-activate",
  "multifd",
  "pause-before-switchover",
  "postcopy-blocktime",
  "postcopy-ram",
  "rdma-pin-all",
  "release-ram",
  "return-path",
  "validate-uuid",
  "x-colo",
  "xbzrle",
  "zero-copy-send",
];

const refusedAlone: [name: string, needed: string, versions: string[], error: string][] = [
  ["postcopy-preempt", "postcopy-ram", ALL, "Postcopy preempt requires postcopy-ram"],
  [
    "switchover-ack",
    "return-path",
    ["10.0", "11.1"],
    "Capability 'switchover-ack' requires capability 'return-path'",
  ],
  ["x-colo", "return-path", ["11.1"], "Capability 'x-colo' requires capability 'return-path'"],
  ["zero-copy-send", "multifd", ALL, ZERO_COPY],
];

const presence: Record<string, string> = {
  "7.2":
    "xbzrle rdma-pin-all auto-converge zero-blocks compress events postcopy-ram x-colo release-ram block return-path pause-before-switchover multifd dirty-bitmaps postcopy-blocktime late-block-activate x-ignore-shared validate-uuid background-snapshot zero-copy-send postcopy-preempt",
  "10.0":
    "xbzrle rdma-pin-all auto-converge zero-blocks events postcopy-ram x-colo release-ram return-path pause-before-switchover multifd dirty-bitmaps postcopy-blocktime late-block-activate x-ignore-shared validate-uuid background-snapshot zero-copy-send postcopy-preempt switchover-ack dirty-limit mapped-ram",
  "11.1":
    "xbzrle rdma-pin-all auto-converge events postcopy-ram x-colo release-ram return-path pause-before-switchover multifd dirty-bitmaps postcopy-blocktime late-block-activate x-ignore-shared validate-uuid background-snapshot zero-copy-send postcopy-preempt switchover-ack dirty-limit mapped-ram",
};

function version(text: string) {
  const [major = 0, minor = 0] = text.split(".").map(Number);
  return { major, minor, micro: 0, package: "" };
}

function errors(
  at: string,
  on: string[],
  parameters: Record<string, ParameterValue> = {},
): string[] {
  const context = { version: version(at), accelerator: "kvm", dirtyRing: true } as const;
  return checkCapabilities(new Set(on), { ...context, parameters }).map(({ error }) => error);
}

describe.each(ALL)("QEMU %s", (at) => {
  const present = capabilitiesOf(version(at));
  const refused = new Map<string, string>();
  for (const [one, two, versions, error] of refusedPairs) {
    if (versions.includes(at)) refused.set([one, two].toSorted().join(), error);
  }
  for (const name of excludedBySnapshot) {
    const pair = ["background-snapshot", name].toSorted().join();
    refused.set(pair, `Background-snapshot is not compatible with ${name}`);
  }

  it("has the capabilities that this version reported", () => {
    expect(present.toSorted()).toEqual(presence[at]?.split(" ").toSorted());
  });

  const alone = refusedAlone.filter(([, , versions]) => versions.includes(at));

  it("refuses the known pairs, with the known text, and no other pair", () => {
    for (const one of present) {
      for (const two of present) {
        if (one >= two) continue;
        const pair = [one, two];
        const lacking = alone.filter(
          ([name, needed]) => pair.includes(name) && !pair.includes(needed),
        );
        const known = [refused.get(pair.join()), ...lacking.map(([, , , error]) => error)];
        const expected = new Set(known.filter((error) => error !== undefined));
        expect(new Set(errors(at, pair)), pair.join(" and ")).toEqual(expected);
      }
    }
  });

  it.each(alone)("refuses %s without %s", (name, needed, _versions, error) => {
    expect(errors(at, [name])).toEqual([error]);
    expect(errors(at, [name, needed])).toEqual([]);
  });

  it("accepts zero-copy-send with neither xbzrle, compression nor TLS only", () => {
    const on = ["zero-copy-send", "multifd"];
    expect(errors(at, on, { "multifd-compression": "none", "tls-creds": "" })).toEqual([]);
    expect(errors(at, on, { "multifd-compression": "zlib" })).toEqual([ZERO_COPY]);
    expect(errors(at, on, { "tls-creds": "tls0" })).toEqual([ZERO_COPY]);
    expect(errors(at, [...on, "xbzrle"])).toContain(ZERO_COPY);
  });

  it("reports an unknown capability with QEMU's text", () => {
    expect(errors(at, ["x"])).toEqual(["Parameter 'capability' does not accept value 'x'"]);
  });
});

describe("versions between those that were tried", () => {
  it.each([
    ["8.1", ["multifd", "xbzrle"], []],
    ["8.2", ["multifd", "xbzrle"], ["Multifd is not compatible with xbzrle"]],
    ["8.0", ["multifd", "postcopy-ram"], ["Postcopy is not yet compatible with multifd"]],
    ["10.1", ["multifd", "postcopy-ram"], []],
    ["11.0", ["x-colo"], []],
    ["9.0", ["compress", "xbzrle"], ["Compression is not compatible with xbzrle"]],
  ])("QEMU %s, %s", (at, on, expected) => {
    expect(errors(at, on)).toEqual(expected);
  });
});

describe("dirty-limit", () => {
  it.each([
    ["tcg", false],
    ["tcg", true],
    ["kvm", false],
  ] as const)("is refused with %s and dirty ring %s", (accelerator, dirtyRing) => {
    const context = { version: version("10.0"), accelerator, dirtyRing, parameters: {} };
    expect(checkCapabilities(new Set(["dirty-limit"]), context)).toEqual([
      {
        kind: "condition",
        capability: "dirty-limit",
        error: "dirty-limit requires KVM with accelerator property 'dirty-ring-size' set",
      },
    ]);
  });
});

it("each capability that must match is set at both sides", () => {
  const must = capabilities.filter(({ mustMatch }) => mustMatch);
  expect(must.map(({ side }) => side)).toEqual(must.map(() => "both"));
  expect(must.map(({ name }) => name).toSorted()).toEqual([
    "block",
    "compress",
    "mapped-ram",
    "multifd",
    "postcopy-preempt",
    "postcopy-ram",
    "switchover-ack",
    "x-colo",
    "x-ignore-shared",
  ]);
});
