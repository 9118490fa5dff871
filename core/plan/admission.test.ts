import { describe, expect, it } from "vitest";
import {
  admissionOf,
  fullSlots,
  type HostCounts,
  placesOf,
  rateOf,
  type Wish,
} from "./admission.ts";

const GIB = 2 ** 30;
const quiet: HostCounts = {
  slotsOut: 2,
  slotsIn: 2,
  outgoing: 0,
  incoming: 0,
  preparingOut: 0,
  preparingIn: 0,
  rateOut: 0,
  rateIn: 0,
  reservedBytes: 0,
};

function wish(source: Partial<HostCounts>, target: Partial<HostCounts>, rest: Partial<Wish> = {}) {
  return {
    source: { ...quiet, ...source },
    target: { ...quiet, ...target },
    heldBytes: GIB,
    memoryBytes: 4 * GIB,
    ...rest,
  };
}

describe("a migration", () => {
  const slotLimits = { out: 1, in: 1 };
  const busy = { linkOut: 10, rateOut: 6, linkIn: 10, rateIn: 6 };
  const none = { prepareAhead: 0 };
  it.each<[string, Wish, ReturnType<typeof admissionOf>]>([
    ["gets its slots at once on quiet hosts", wish({}, {}), "held"],
    ["gets the last slots", wish({ outgoing: 1 }, { incoming: 1 }), "held"],
    ["is prepared where its source has no slot", wish({ outgoing: 2 }, {}), "preparing"],
    ["is prepared where its target has no slot", wish({}, { incoming: 2 }), "preparing"],
    ["overtakes none that is prepared on its source", wish({ preparingOut: 1 }, {}), "preparing"],
    ["overtakes none that is prepared for its target", wish({}, { preparingIn: 1 }), "preparing"],
    [
      "minds none that is prepared elsewhere",
      wish({ preparingIn: 1 }, { preparingOut: 1 }),
      "held",
    ],
    ["takes the last place out", wish({ outgoing: 2, preparingOut: 7 }, {}), "preparing"],
    ["waits for a place out", wish({ outgoing: 2, preparingOut: 8 }, {}), "preparingOut"],
    ["waits for a place in", wish({ outgoing: 2 }, { preparingIn: 8 }), "preparingIn"],
    ["takes the rest of a link", wish(busy, busy, { rateBytesPerSecond: 4 }), "held"],
    ["is prepared for a link out", wish(busy, {}, { rateBytesPerSecond: 5 }), "preparing"],
    ["is prepared for a link in", wish({}, busy, { rateBytesPerSecond: 5 }), "preparing"],
    ["waits for a link out", wish({ ...busy, ...none }, {}, { rateBytesPerSecond: 5 }), "rateOut"],
    ["waits for a link in", wish({}, { ...busy, ...none }, { rateBytesPerSecond: 5 }), "rateIn"],
    ["has a slow link alone", wish({ linkOut: 1 }, {}, { rateBytesPerSecond: 5 }), "held"],
    [
      "minds no link that nobody knows",
      wish({ rateOut: 6 }, {}, { rateBytesPerSecond: 9 }),
      "held",
    ],
    ["waits for memory", wish({}, { reservedBytes: 3 * GIB + 1 }), "memory"],
    [
      "waits for memory to be prepared",
      wish({ outgoing: 2 }, { reservedBytes: 4 * GIB }),
      "memory",
    ],
    ["takes the last memory", wish({}, { reservedBytes: 3 * GIB }), "held"],
    ["waits for a slot where none is prepared ahead", wish({ outgoing: 2 }, none), "out"],
    ["waits for a slot into such a host", wish({}, { incoming: 2, ...none }), "in"],
    ["gets its slots there, whoever is prepared", wish({ preparingOut: 1 }, none), "held"],
    ["keeps to the rates of the links", wish({ outgoing: 1 }, {}, { slotLimits }), "preparing"],
    ["has a pool by these rates", wish({ preparingOut: 5 }, {}, { slotLimits }), "preparingOut"],
    ["has the pool that was set", wish({ preparingOut: 1, prepareAhead: 1 }, {}), "preparingOut"],
  ])("%s", (_, given, expected) => {
    expect(admissionOf(given)).toBe(expected);
  });
});

it("has 3 × slots + 2 places in each direction", () => {
  expect(placesOf(wish({ slotsOut: 1 }, { slotsIn: 4 }))).toEqual({ out: 5, in: 14 });
});

it("starts only with a slot on both hosts", () => {
  expect(fullSlots(wish({ outgoing: 1 }, { incoming: 1 }))).toBeUndefined();
  expect(fullSlots(wish({ outgoing: 2 }, { incoming: 2 }))).toBe("out");
  expect(fullSlots(wish({ outgoing: 1 }, { incoming: 2 }))).toBe("in");
  expect(fullSlots(wish({ outgoing: 1 }, {}, { slotLimits: { out: 1, in: 1 } }))).toBe("out");
});

it("sends what it is limited to, and no more than both links carry", () => {
  const ends = wish({ linkOut: 3e9 }, { linkIn: 2e9 });
  expect(rateOf(ends, 1e6)).toBe(1e6);
  expect(rateOf(ends, 5e9)).toBe(2e9);
});

it("shares the links without a limit, by their slots", () => {
  const ends = wish({ linkOut: 3e9, slotsOut: 4 }, { linkIn: 2e9 });
  expect([undefined, 0].map((none) => rateOf(ends, none))).toEqual([7.5e8, 7.5e8]);
  expect(rateOf(wish({}, { linkIn: 125e6, slotsIn: 1 }), undefined)).toBe(125e6);
  expect(rateOf(wish({}, {}), undefined)).toBe(1.25e9);
  const one = rateOf(wish({ linkOut: 1e9 + 1 }, {}), undefined);
  const beside = wish({ linkOut: 1e9 + 1, outgoing: 1, rateOut: one }, {});
  expect(fullSlots({ ...beside, rateBytesPerSecond: one })).toBeUndefined();
});
