import { describe, expect, it } from "vitest";
import type { CpuModels } from "../protocol/host-cpu.ts";
import { limitToModel, parseCpuModel } from "./cpu-model.ts";
import { agree, type Case, reason, refuse } from "./testing/negotiating.ts";

/** `models`: what of each the host lacks. */
function cpu(features: readonly string[], models: Record<string, readonly string[]>): CpuModels {
  const lacking = [...new Set(Object.values(models).flat())];
  return {
    features: [...features],
    lacking,
    models: Object.fromEntries(
      Object.entries({ qemu64: [], ...models }).map(([name, own]) => [
        name,
        own.map((feature) => lacking.indexOf(feature)),
      ]),
    ),
  };
}

const old = cpu(["aes", "sse4-1"], {
  "EPYC-v1": ["avx", "avx2"],
  "EPYC-v2": [],
  "Nehalem-v1": [],
  max: [],
});
const renewed = cpu(["aes", "avx", "avx2", "sse4-1", "invtsc"], {
  "EPYC-v1": [],
  "EPYC-v2": [],
  "Nehalem-v1": [],
  max: [],
});
const bare = cpu([], { "EPYC-v1": ["aes", "avx", "avx2"], "Nehalem-v1": ["sse4-1"], max: [] });

const between = (
  cpuModel: string,
  source: CpuModels,
  target: CpuModels,
  rest: Case = {},
): Case => ({
  ...rest,
  definition: { cpuModel },
  source: { cpuModels: source, ...rest.source },
  target: { cpuModels: target, ...rest.target },
});

describe("the CPU", () => {
  it.each<[string, Case]>([
    ["whole on both hosts", between("EPYC", renewed, renewed)],
    ["whole on a host with more", between("Nehalem", old, renewed)],
    ["that lacks the same on both hosts", between("EPYC", old, old)],
    [
      "that lacks on one host what it has switched off",
      between("EPYC,-avx,avx2=off", renewed, old),
    ],
    ["with a feature that both hosts have", between("Nehalem,+sse4.1", old, renewed)],
    ["with what is no host's feature", between("Nehalem,+hv-relaxed,enforce", old, renewed)],
    ["`max` on equal hosts", between("max", renewed, renewed)],
    [
      "`max` where only `invtsc` differs, which it leaves out",
      between("max", cpu(["aes"], { max: [] }), cpu(["aes", "invtsc"], { max: [] })),
    ],
    [
      "that only one host says anything of",
      { definition: { cpuModel: "EPYC" }, target: { cpuModels: bare } },
    ],
    ["of QEMU's own choice", { source: { cpuModels: old }, target: { cpuModels: renewed } }],
  ])("%s may move", (_, input) => {
    agree(input);
  });

  it.each<[string, Case, string, RegExp]>([
    [
      "a feature of the model that the target lacks",
      between("EPYC", renewed, old),
      "cpu-features-missing",
      /lacks: avx, avx2$/,
    ],
    ["only what the guest has", between("EPYC", old, bare), "cpu-features-missing", /lacks: aes$/],
    [
      "a feature that was asked for",
      between("Nehalem,+avx2", renewed, old),
      "cpu-features-missing",
      /lacks: avx2$/,
    ],
    [
      "a feature of `max`",
      between("max", renewed, old),
      "cpu-features-missing",
      /\(max\).*lacks: avx, avx2$/,
    ],
    [
      "`invtsc` where `max` has it",
      between("max,migratable=off", renewed, old),
      "cpu-features-missing",
      /lacks: avx, avx2, invtsc$/,
    ],
    [
      "what the target would add",
      between("EPYC", old, renewed),
      "cpu-features-differ",
      /add .*lacks: avx, avx2$/,
    ],
    [
      "what it would add to `max`",
      between("max", old, renewed),
      "cpu-features-differ",
      /lacks: avx, avx2$/,
    ],
    [
      "a model that the target's QEMU does not know",
      between("EPYC-v2", old, bare),
      "cpu-model-unknown",
      /does not know .* EPYC-v2/,
    ],
  ])("is refused for %s", (_, input, code, message) => {
    const [blocker, ...more] = refuse(input);
    expect(more).toEqual([]);
    expect(blocker?.code).toBe(code);
    expect(blocker?.message).toMatch(message);
  });

  it("has a model of both hosts as its cure, first one of its kind", () => {
    const [blocker] = refuse(between("EPYC", renewed, old));
    expect(blocker?.cure).toContain("in full, such as EPYC-v2, qemu64, Nehalem-v1");
    const [none] = refuse(between("EPYC-v1", cpu([], { "EPYC-v1": [] }), bare));
    expect(none?.cure).toContain("such as qemu64");
  });

  it("has the definition as the cure for what would be added", () => {
    const [blocker] = refuse(between("EPYC", old, renewed));
    expect(blocker?.cure).toContain("EPYC,avx=off,avx2=off");
    agree(between("EPYC,avx=off,avx2=off", old, renewed));
  });

  it("may lack what the policy accepts, and what is harmless between two versions", () => {
    const acceptDifferences = ["vCPUs vCPU 0: feature avx", "vCPUs vCPU 0: feature avx2"];
    agree(between("EPYC", renewed, old, { policy: { acceptDifferences } }));
    const ht = [cpu([], { EPYC: [] }), cpu([], { EPYC: ["ht"] })] as const;
    agree(between("EPYC", ...ht, { from: "7.2", to: "10.0" }));
    expect(refuse(between("EPYC", ...ht))).toMatchObject([{ code: "cpu-features-missing" }]);
  });
});

const kvm = (cpuModel: string, rest: Case = {}): Case => ({
  definition: { accelerator: "kvm", cpuModel },
  source: { accelerator: "kvm", ...rest.source },
  target: { accelerators: ["kvm"], ...rest.target },
});
const host = (model: string, microcode: string, rest = {}) => ({
  host: { kernel: "6.12.9", cpu: { model, microcode }, clocksource: "tsc", ...rest },
});

describe("with KVM", () => {
  it.each(["host", "max,-x2apic"])("%s is refused between unlike processors", (cpuModel) => {
    const unlike = { source: host("EPYC 7002", "0x1"), target: host("EPYC 9004", "0x1") };
    expect(refuse(kvm(cpuModel, unlike))).toMatchObject([
      { code: "cpu-passthrough-differs", message: expect.stringContaining("EPYC 9004") },
    ]);
    agree(kvm("Nehalem", unlike));
  });

  it.each<[string, Case, string[]]>([
    ["`invtsc` without a frequency", kvm("Nehalem,+invtsc"), ["tsc-frequency-missing"]],
    [
      "the same, as QEMU says it itself",
      kvm("host,migratable=off", {
        source: { blockers: ["State blocked by non-migratable CPU device (invtsc flag)"] },
      }),
      ["blocked"],
    ],
  ])("%s is refused", (_, input, codes) => {
    const found = refuse(input);
    expect(found.map(({ code }) => code)).toEqual(codes);
    expect(found[0]?.cure).toContain("tsc-frequency");
  });

  it("`invtsc` with a frequency may move, with a warning where the target cannot scale", () => {
    const cpuModel = "Nehalem,+invtsc,tsc-frequency=2000000000";
    const hosts = (scalesTsc: boolean): Case => ({
      source: host("A", "0x1"),
      target: host("A", "0x1", { scalesTsc }),
    });
    expect(reason(agree(kvm(cpuModel, hosts(false))), "host TSC")).toContain("250 ppm");
    expect(reason(agree(kvm(cpuModel, hosts(true))), "host TSC")).toBeUndefined();
  });

  it("warns of processors, microcode, kernels and clocks that differ, by name", () => {
    const agreement = agree(
      kvm("Nehalem", {
        source: host("A", "0x1"),
        target: host("B", "0x2", { kernel: "6.12.41", clocksource: "hpet" }),
      }),
    );
    for (const [subject, said] of [
      ["host CPU", "warning: the source has A, the target B"],
      ["host microcode", "warning: the source has 0x1, the target 0x2"],
      ["host kernel", "warning: the source has 6.12.9, the target 6.12.41"],
      ["host clock", "hpet"],
    ] as const) {
      expect(reason(agreement, subject)).toContain(said);
    }
    const same = agree(kvm("Nehalem", { source: host("A", "0x1"), target: host("A", "0x1") }));
    expect(same.choices.filter(({ subject }) => subject.startsWith("host "))).toEqual([]);
  });

  it("says nothing of hosts to a guest that QEMU emulates", () => {
    const agreement = agree({ source: host("A", "0x1"), target: host("B", "0x2") });
    expect(agreement.choices.filter(({ subject }) => subject.startsWith("host "))).toEqual([]);
  });
});

it("a probe has the guest's model and those that are whole", () => {
  expect(limitToModel(old, "EPYC,+aes", "x86_64")).toEqual({
    features: old.features,
    lacking: ["avx", "avx2"],
    models: { qemu64: [], "EPYC-v2": [], "Nehalem-v1": [], max: [], EPYC: [0, 1] },
  });
  expect(limitToModel(old, "none-such", "x86_64").models["none-such"]).toBeUndefined();
});

it.each([
  ["EPYC,+a,b=on,c,-d,e=off,f=3", ["a", "b", "c"], ["d", "e"]],
  ["EPYC,a=on,-a", [], ["a"]],
  ["EPYC,a_b.c=off,+a-b-c", ["a-b-c"], []],
  [undefined, [], []],
] as const)("reads %s as QEMU does", (text, on, off) => {
  const read = parseCpuModel(text, "x86_64");
  expect([[...read.on].sort(), [...read.off].sort()]).toEqual([on, off]);
  expect(read.model).toBe(text === undefined ? "qemu64" : "EPYC");
});
