import { describe, expect, it } from "vitest";
import { capabilities, findCapability } from "../qemu/capabilities.ts";
import { checkCapabilities } from "../qemu/capability-rules.ts";
import { findFlag, libvirtFlags } from "../qemu/libvirt-flags.ts";
import { checkParameter } from "../qemu/parameter-check.ts";
import { parameters } from "../qemu/parameters.ts";
import type { Agreement, NegotiationResult } from "./agreement.ts";
import { type NegotiationInput, negotiate } from "./negotiate.ts";
import { MigrationPolicy } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import {
  commonMachine,
  type KnownRelease,
  qemuProbe,
  releases,
  sourceProbe,
  targetProbe,
  vfioDevice,
  vmDefinition,
} from "./testing/probes.ts";

const ROUNDS = 400;

/** The same choices in each run; the seed is in the title. */
function random(seed: number) {
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return {
    chance: (percent: number) => below(100) < percent,
    pick: <T>(list: readonly [T, ...T[]]): T => list[below(list.length)] ?? list[0],
    shuffle: <T>(list: readonly T[]): T[] =>
      list
        .map((value) => ({ value, at: below(1_000_000) }))
        .toSorted((one, other) => one.at - other.at)
        .map(({ value }) => value),
    below,
  };
}
type Random = ReturnType<typeof random>;

const given: Record<string, readonly [unknown, ...unknown[]]> = {
  "multifd-channels": [1, 8],
  "multifd-compression": ["none", "zlib", "zstd"],
  "tls-creds": ["", "tls0"],
  "max-bandwidth": [0, "18446744073709551615"],
  "avail-switchover-bandwidth": [0, 1_000_000],
  "zero-page-detection": ["legacy", "multifd"],
};

function randomPolicy({ chance, pick }: Random): MigrationPolicy {
  const usable = capabilities.filter(({ refusal }) => refusal === undefined || chance(5));
  const wishes = usable
    .filter(() => chance(35))
    .map(({ name }) => [name, pick(["ask", "ask", "forbid", "require"])]);
  const values = Object.entries(given)
    .filter(() => chance(20))
    .map(([name, list]) => [name, pick(list)]);
  const flags = libvirtFlags.filter(({ refusal }) => chance(4) && (!refusal || chance(10)));
  return MigrationPolicy.parse({
    capabilities: Object.fromEntries(wishes),
    parameters: Object.fromEntries(values),
    flags: flags.map(({ name }) => name),
    ...(chance(20) ? { downtimeLimitMs: 50 } : {}),
    ...(chance(20) ? { switchoverBandwidthBytesPerSecond: 1_000_000 } : {}),
  });
}

function randomInput(random: Random, from: KnownRelease, to: KnownRelease): NegotiationInput {
  const { chance, pick, below } = random;
  const accelerator = pick(["tcg", "kvm"] as const);
  const lossy = (release: KnownRelease) => {
    const probe = qemuProbe(release);
    const kept = probe.capabilities.filter(() => !chance(4));
    return {
      ...probe,
      capabilities: kept,
      multifdCompression: chance(20) ? ["none"] : ["none", "zlib"],
    };
  };
  return {
    source: sourceProbe(from, {
      qemu: lossy(from),
      machineType: commonMachine(from, to),
      accelerator,
      dirtyRing: accelerator === "kvm" && chance(50),
      runState: pick(["running", "running", "paused"]),
      vfioDevices: chance(30) ? [vfioDevice("net0"), vfioDevice("net1")].slice(below(2)) : [],
    }),
    target: targetProbe(to, { qemu: lossy(to), userfaultfd: chance(80) }),
    policy: randomPolicy(random),
    definition: vmDefinition({ accelerator }),
  };
}

const pairsOfReleases = releases.flatMap((from) => releases.map((to) => [from, to] as const));

describe.each(pairsOfReleases)("%s to %s", (from, to) => {
  const seed = releases.indexOf(from) * 10 + releases.indexOf(to) + 1;
  const source = random(seed);
  const inputs = Array.from({ length: ROUNDS }, () => randomInput(source, from, to));
  const agreed = inputs.flatMap((input) => {
    const result = negotiate(input);
    return result.agreed ? [{ input, agreement: result.agreement }] : [];
  });

  it(`agrees often enough to mean something (seed ${seed})`, () => {
    expect(agreed.length).toBeGreaterThan(ROUNDS / 10);
    expect(agreed.length).toBeLessThan(ROUNDS);
  });

  it("QEMU's rules hold at both sides, with the parameters that are set", () => {
    for (const { input, agreement } of agreed) {
      for (const side of ["source", "target"] as const) {
        const context = {
          version: input[side].qemu.version,
          accelerator: input.source.accelerator,
          dirtyRing: input.source.dirtyRing,
          parameters: agreement[side].parameters,
        };
        expect(checkCapabilities(new Set(onIn(agreement, side)), context)).toEqual([]);
      }
    }
  });

  it("what must match is on at both sides or at none, and has one value", () => {
    for (const { agreement } of agreed) {
      for (const { name, side, mustMatch } of capabilities) {
        const atSource = agreement.source.capabilities[name] === true;
        const atTarget = agreement.target.capabilities[name] === true;
        if (mustMatch || side === "both") expect(atSource, name).toBe(atTarget);
      }
      for (const { name, mustMatch } of parameters) {
        const { source, target } = agreement;
        if (mustMatch) expect(source.parameters[name], name).toBe(target.parameters[name]);
      }
    }
  });

  it("a side is set only what it has, and each of its capabilities", () => {
    for (const { input, agreement } of agreed) {
      for (const side of ["source", "target"] as const) {
        const { qemu } = input[side];
        expect(Object.keys(agreement[side].capabilities)).toEqual(qemu.capabilities);
        for (const [name, value] of Object.entries(agreement[side].parameters)) {
          expect(qemu.parameters).toHaveProperty(name);
          expect(checkParameter(name, value), name).toEqual({ ok: true, value });
        }
      }
    }
  });

  it("required is on, forbidden is off, and the rest is on only if asked for or by default", () => {
    const byDefault = ["events", "return-path", "switchover-ack"];
    for (const { input, agreement } of agreed) {
      const wishes = new Map(Object.entries(input.policy.capabilities));
      const flags = input.policy.flags.flatMap((text) => Object.keys(findFlag(text)?.wishes ?? {}));
      const on = new Set([...onIn(agreement, "source"), ...onIn(agreement, "target")]);
      for (const [name, wish] of wishes) {
        if (wish !== "ask") expect(on.has(name), `${name}: ${wish}`).toBe(wish === "require");
      }
      for (const name of on) {
        expect(wishes.has(name) || flags.includes(name) || byDefault.includes(name), name).toBe(
          true,
        );
        expect(findCapability(name)?.refusal).toBeUndefined();
      }
    }
  });

  it("an ACK is awaited only if the capability is on at both sides and the guest runs", () => {
    for (const { input, agreement } of agreed) {
      if (agreement.ackMode === "none") continue;
      expect(onIn(agreement, "source")).toEqual(
        expect.arrayContaining(["switchover-ack", "return-path"]),
      );
      expect(onIn(agreement, "target")).toEqual(
        expect.arrayContaining(["switchover-ack", "return-path"]),
      );
      expect(input.source.runState).toBe("running");
      if (agreement.ackMode === "per-device") expect(agreement.ackDevices).not.toEqual([]);
    }
  });

  it("the result depends neither on the run nor on the order of wishes", () => {
    const shuffle = random(seed + 100);
    for (const input of inputs.slice(0, 100)) {
      const result = negotiate(input);
      expect(negotiate(input)).toEqual(result);
      const capabilities = Object.fromEntries(
        shuffle.shuffle(Object.entries(input.policy.capabilities)),
      );
      const again = negotiate({ ...input, policy: { ...input.policy, capabilities } });
      expect(sorted(again)).toEqual(sorted(result));
    }
  });

  it("a policy that is wrong by itself is never agreed to", () => {
    for (const { input } of agreed) expect(checkPolicy(input.policy)).toEqual([]);
  });
});

function onIn(agreement: Agreement, side: "source" | "target"): string[] {
  const { capabilities } = agreement[side];
  return Object.keys(capabilities).filter((name) => capabilities[name]);
}

function sorted(result: NegotiationResult): unknown {
  if (result.agreed) return result;
  return result.blockers.map((blocker) => JSON.stringify(blocker)).toSorted();
}
