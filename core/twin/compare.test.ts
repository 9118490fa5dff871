import { describe, expect, it } from "vitest";
import { compareReadings, describeDifferences } from "./compare.ts";
import { Comparison, LISTED_MAX } from "./comparison.ts";
import {
  emptyParts,
  FIRST_VCPU,
  haveSameFeatures,
  type PartKind,
  type Parts,
  type Properties,
  type Reading,
  withFeatureNames,
} from "./reading.ts";

type Some = { [K in PartKind]?: Record<string, Properties> };

const reading = (some: Some = {}, qemu = "10.0.2"): Reading => ({
  qemu,
  parts: { ...emptyParts(), ...some } as Parts,
});

const NIC = { type: "e1000", id: "nic0", netdev: "net0" };
const nic = (change: Properties = {}) => reading({ device: { "bus/04.0": { ...NIC, ...change } } });
const disk = (chain: string, type = "ide-hd") =>
  reading({ device: { "bus/1": { type, id: "d" } }, disk: { "bus/1": { chain } } });

const namesOf = ({ differences }: Comparison) => differences.map(({ name }) => name);
const reasonsOf = ({ harmless }: Comparison) => harmless.map(({ name }) => name);

describe("compareReadings", () => {
  it("finds nothing between a reading and itself", () => {
    const result = compareReadings(nic(), nic());
    expect(result).toEqual({
      values: 3,
      differences: [],
      differencesTotal: 0,
      harmless: [],
      harmlessTotal: 0,
    });
    expect(describeDifferences(result)).toBe("both sides are the same");
  });

  it("names the device, the property, both values and the cure", () => {
    const result = compareReadings(nic(), nic({ netdev: "" }));
    expect(result.differences).toEqual([
      {
        name: 'device bus/04.0 (e1000 "nic0"): netdev',
        source: "net0",
        target: "",
        cure: expect.stringContaining("definition"),
      },
    ]);
    expect(describeDifferences(result)).toMatch(
      /^device bus\/04\.0 .*: the source has `net0`, the target ``: bring the definition/,
    );
  });

  it.each([
    ["source", nic(), reading(), "e1000", null],
    ["target", reading(), nic(), null, "e1000"],
  ] as const)("names a device that only the %s has", (_, source, target, a, b) => {
    expect(compareReadings(source, target).differences).toMatchObject([
      { name: 'device bus/04.0 (e1000 "nic0")', source: a, target: b },
    ]);
  });

  it("does not list what is inside a device that only one side has, or of another type", () => {
    const inside = { "bus/04.0/virtio-bus": { type: "inner", id: "" } };
    const source = reading({ device: { "bus/04.0": { type: "outer", id: "x" }, ...inside } });
    expect(namesOf(compareReadings(source, reading()))).toEqual(['device bus/04.0 (outer "x")']);
    expect(namesOf(compareReadings(source, nic()))).toEqual(['device bus/04.0 (outer "x"): type']);
  });

  it("takes a device whose place merely begins alike for another one", () => {
    const source = reading({ device: { pit: { type: "pit", id: "" } } });
    const target = reading({ device: { "pit[1]": { type: "pit", id: "" } } });
    expect(compareReadings(source, target).differencesTotal).toBe(2);
  });

  it("names a disk by the device that it belongs to, or the one around that", () => {
    expect(namesOf(compareReadings(disk("file /a"), disk("file /b")))).toEqual([
      'disk bus/1 (ide-hd "d"): chain',
    ]);
    const within = (chain: string) =>
      reading({
        device: { a: { type: "outer", id: "d1" }, "a/b": { type: "inner", id: "" } },
        disk: { "a/b": { chain } },
      });
    expect(namesOf(compareReadings(within("file /a"), within("file /b")))).toEqual([
      'disk a/b (inner "d1"): chain',
    ]);
  });

  it("does not list a disk where the device is the difference", () => {
    expect(namesOf(compareReadings(disk("file /a"), disk("file /b", "scsi-hd")))).toEqual([
      'device bus/1 (ide-hd "d"): type',
    ]);
    expect(compareReadings(disk("file /a"), reading()).differencesTotal).toBe(1);
  });

  it("does not report what the guest or the time sets", () => {
    const with_ = (busnr: string) => nic({ busnr });
    expect(compareReadings(with_("0"), with_("3"))).toMatchObject({
      differencesTotal: 0,
      harmlessTotal: 0,
    });
  });

  it("lists what does no harm with the reason", () => {
    expect(compareReadings(nic(), nic({ id: "nic1" }))).toMatchObject({
      differencesTotal: 0,
      harmless: [{ name: 'device bus/04.0 (e1000 "nic0"): id', reason: /place/ }].map((one) => ({
        ...one,
        reason: expect.stringMatching(one.reason),
      })),
    });
  });

  it("takes a property that only one version of QEMU has for harmless, and gathers them", () => {
    const older = nic();
    const newer = { ...nic({ "x-a": "on", "x-b": "off" }), qemu: "11.1.3" };
    expect(compareReadings(older, newer)).toMatchObject({
      differencesTotal: 0,
      harmless: [
        { name: "properties that only QEMU 11.1.3 has", source: null, target: "x-a, x-b" },
      ],
    });
    expect(compareReadings(newer, older).harmless[0]?.source).toBe("x-a, x-b");
    // Between equal versions it is another device.
    expect(compareReadings(older, { ...newer, qemu: older.qemu }).differencesTotal).toBe(2);
  });

  it("takes another value for a difference between versions too, and a missing part", () => {
    const newer = { ...nic({ netdev: "net1" }), qemu: "11.1.3" };
    expect(compareReadings(nic(), newer).differencesTotal).toBe(1);
    expect(compareReadings(nic(), reading({}, "11.1.3")).differencesTotal).toBe(1);
  });

  it("accepts what the policy names, and nothing else", () => {
    const target = nic({ netdev: "", mac: "x" });
    const accepted = ['device bus/04.0 (e1000 "nic0"): netdev'];
    const result = compareReadings(nic({ mac: "y" }), target, accepted);
    expect(namesOf(result)).toEqual(['device bus/04.0 (e1000 "nic0"): mac']);
    expect(reasonsOf(result)).toEqual(accepted);
  });

  it("bounds the lists and each text, and counts all", () => {
    const many = (value: string) =>
      reading({
        device: Object.fromEntries(
          Array.from({ length: 300 }, (_, at) => [`bus/${at}`, { type: "t", id: "", x: value }]),
        ),
      });
    const result = compareReadings(many("a".repeat(5_000)), many("b".repeat(5_000)));
    expect(Comparison.parse(result)).toMatchObject({ differencesTotal: 300 });
    expect(result.differences).toHaveLength(LISTED_MAX);
    expect(describeDifferences(result)).toContain("(and 299 more)");
  });
});

describe("the features of the vCPUs", () => {
  const cpu = (properties: Properties) => reading({ vCPUs: { [FIRST_VCPU]: properties } });

  it("are compared by their registers, and named where the names are known", () => {
    const a = cpu({ type: "max", "feature CPUID 0x1 ECX": "0x3" });
    const b = cpu({ type: "max", "feature CPUID 0x1 ECX": "0x1" });
    expect(haveSameFeatures(a, cpu({ type: "other", "feature CPUID 0x1 ECX": "0x3" }))).toBe(true);
    expect(haveSameFeatures(a, b)).toBe(false);
    const named = [
      withFeatureNames(a, cpu({ "feature aes": "on", "feature sse": "on" })),
      withFeatureNames(b, cpu({ "feature sse": "on" })),
    ] as const;
    expect(compareReadings(...named).differences).toMatchObject([
      { name: "vCPUs vCPU 0: feature aes", source: "on", target: null },
    ]);
  });
});
