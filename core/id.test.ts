import { describe, expect, it } from "vitest";
import { CommandId, HostId, MigrationId, ulid, VmId } from "./id.ts";

describe("names of hosts and VMs", () => {
  it.each(["a", "7", "host-a", "a".repeat(63)])("may be `%s`", (name) => {
    expect(HostId.safeParse(name).success).toBe(true);
    expect(VmId.safeParse(name).success).toBe(true);
  });

  it.each(["", "-a", "a-", "A", "a.b", "a_b", "a b", "a".repeat(64)])("may not be `%s`", (name) => {
    expect(HostId.safeParse(name).success).toBe(false);
    expect(VmId.safeParse(name).success).toBe(false);
  });
});

describe("a ULID", () => {
  const zeros = new Uint8Array(10);
  const ones = new Uint8Array(10).fill(255);

  it.each([
    ["the lowest", 0, zeros, "0".repeat(26)],
    ["the highest", 2 ** 48 - 1, ones, `7${"Z".repeat(25)}`],
    // The example of the ULID specification.
    ["a time of 2016", 1_469_918_176_385, zeros, `01ARYZ6S41${"0".repeat(16)}`],
  ])("%s", (_, timeMs, random, text) => {
    expect(ulid(timeMs, random)).toBe(text);
    expect(MigrationId.safeParse(`mig_${text}`).success).toBe(true);
  });

  it("sorts by time", () => {
    expect(ulid(1_000, ones) < ulid(1_001, zeros)).toBe(true);
  });

  it.each([-1, 0.5, 2 ** 48, Number.NaN])("has no time %s", (timeMs) => {
    expect(() => ulid(timeMs, zeros)).toThrow(RangeError);
  });

  it("needs ten random bytes", () => {
    expect(() => ulid(0, new Uint8Array(9))).toThrow(RangeError);
  });
});

it.each([
  ["mig_01J9Z3ABCDEFGHJKMNPQRSTVWX.observe-source.12", true],
  ["vm-1.start.1", true],
  ["vm-1.start", false],
  ["vm-1.start.10000", false],
  ["vm 1.start.1", false],
  [`${"a".repeat(81)}.start.1`, false],
])("`%s` is a command id: %s", (id, expected) => {
  expect(CommandId.safeParse(id).success).toBe(expected);
});
