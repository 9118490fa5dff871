import { describe, expect, it } from "vitest";
import {
  CORDONS_MAX,
  type HostCordon,
  Owner,
  withCordon,
  withoutCordon,
  withoutDrain,
} from "./cordon.ts";

const early = "2026-11-30T08:00:00.000Z";
const late = "2026-11-30T09:00:00.000Z";
const ops: HostCordon = { owner: "ops", kind: "person", message: "disk swap", since: early };
const evacuation: HostCordon = { owner: "evac_1", kind: "evacuation", since: late, drains: true };

describe("the cordons of a host", () => {
  it("are one for each owner", () => {
    expect(withCordon([ops], evacuation)).toEqual([ops, evacuation]);
  });

  it("keep their age and place when their owner sets them again", () => {
    const again = { ...ops, message: "disk swap, day 2", since: late };
    expect(withCordon([ops, evacuation], again)).toEqual([{ ...again, since: early }, evacuation]);
  });

  it("tell a person from an evacuation of the same name", () => {
    const person: HostCordon = { owner: "evac_1", kind: "person", since: late };
    expect(withoutCordon([evacuation, person], person)).toEqual([evacuation]);
  });

  it("end for their owner alone", () => {
    expect(withoutCordon([ops, evacuation], evacuation)).toEqual([ops]);
    expect(withoutCordon([ops], evacuation)).toEqual([ops]);
  });

  it("stay when their evacuation does not drain any more", () => {
    const { drains: _, ...kept } = evacuation;
    expect(withoutDrain([ops, evacuation], evacuation)).toEqual([ops, kept]);
  });

  it("are bounded, and a known owner is never one too many", () => {
    const full = Array.from({ length: CORDONS_MAX }, (_, n) => ({ ...ops, owner: `ops ${n}` }));
    expect(withCordon(full, evacuation)).toBeUndefined();
    expect(withCordon(full, { ...ops, owner: "ops 3", since: late })).toHaveLength(CORDONS_MAX);
  });
});

describe("the owner of a cordon", () => {
  it.each(["ops", "Ann Lee", "x", "evac_01J9Z3ABCDEFGHJKMNPQRSTVWX", "ops@example.org"])(
    "may be %j",
    (owner) => {
      expect(Owner.safeParse(owner).success).toBe(true);
    },
  );

  it.each(["", " ops", "ops ", "two\nlines", "x".repeat(64), "\u0007"])("is not %j", (owner) => {
    expect(Owner.safeParse(owner).success).toBe(false);
  });
});
