import { describe, expect, it } from "vitest";
import { isRead, ruleOf, rules } from "./rules.ts";

const same = { part: "a", versionsDiffer: false };

describe("rules", () => {
  it.each([
    ["device", "smb_io_base", "unread"],
    ["device", "MCFG", "unread"],
    ["device", "id", "harmless"],
    ["device", "iothread", "harmless"],
    ["device", "lcyls", "harmless"],
    ["device", "mac", undefined],
    ["device", "xid", undefined],
    ["device", "", undefined],
    ["machine", "rtc-time", "unread"],
    ["machine", "smp", undefined],
    ["machine", "mem-merge", "harmless"],
    ["disk", "chain", undefined],
    ["object", "", "harmless"],
    ["network peer", "kind", undefined],
  ] as const)("%s %s is %s", (kind, property, verdict) => {
    expect(ruleOf({ ...same, kind, property })?.verdict).toBe(verdict);
  });

  it("excuses some values only between versions", () => {
    const events = { ...same, kind: "device", property: "events" } as const;
    expect(ruleOf(events)).toBeUndefined();
    expect(ruleOf({ ...events, versionsDiffer: true })?.verdict).toBe("harmless");
  });

  it("tells a backend's size from a RAM block's", () => {
    const share = { ...same, kind: "memory", property: "share" } as const;
    expect(ruleOf({ ...share, part: "backend m0" })?.verdict).toBe("harmless");
    expect(ruleOf({ ...share, part: "device dimm d0" })).toBeUndefined();
    expect(ruleOf({ ...share, part: "backend m0", property: "size" })).toBeUndefined();
  });

  it.each([
    ["as far apart as QEMU takes it", "2400000000", "2400600000", "harmless"],
    ["lower by as much", "2400000000", "2399400000", "harmless"],
    ["further apart", "2400000000", "2400600001", undefined],
    ["of one side only", "2400000000", null, undefined],
    ["of which one was not measured", "0", "2400000000", undefined],
    ["of which one cannot be read", "2400000000", "fast", undefined],
  ])("take the frequency of the TSC for the same, or not: %s", (_, source, target, verdict) => {
    const found = { kind: "vCPUs", property: "tsc-frequency", source, target } as const;
    expect(ruleOf({ ...same, ...found })?.verdict).toBe(verdict);
  });

  it("are not read where they count for nothing", () => {
    expect(isRead("machine", "rtc-time")).toBe(false);
    expect(isRead("machine", "smp")).toBe(true);
    expect(isRead("device", "id")).toBe(true);
  });

  it("match whole names, with a reason each", () => {
    for (const { property, part, reason } of rules) {
      for (const pattern of [property, part]) {
        if (pattern !== undefined) expect(pattern.source).toMatch(/^\^.*\$$/);
      }
      expect(reason.length).toBeGreaterThan(10);
    }
  });
});
