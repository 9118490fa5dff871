import { describe, expect, it } from "vitest";
import { allowedActions, type HostAction, hostActions, isAllowed } from "./host-actions.ts";
import { HostState, hostStateOf, silentSince, stateSinceOf } from "./host-state.ts";

const cordon = { owner: "ops", kind: "person", since: "2026-11-30T09:00:00Z" } as const;
const drain = { ...cordon, owner: "evac_1", kind: "evacuation", drains: true } as const;
const since = "2026-11-30T09:00:00Z";

describe("the state that is shown of a host", () => {
  it.each([
    ["active", { state: "active", cordons: [] }],
    ["cordoned", { state: "active", cordons: [cordon] }],
    ["draining", { state: "active", cordons: [cordon, drain] }],
    ["silent", { state: "active", cordons: [drain], silentSince: since }],
    ["maintenance", { state: "maintenance", cordons: [drain], silentSince: since }],
    ["joining", { state: "joining", cordons: [cordon] }],
    ["retiring", { state: "retiring", cordons: [], silentSince: since }],
    ["retired", { state: "retired", cordons: [] }],
  ] as const)("is %s", (shown, host) => {
    expect(hostStateOf(host)).toBe(shown);
  });

  it("is cordoned when the evacuation has ended and its cordon stays", () => {
    const { drains: _, ...kept } = drain;
    expect(hostStateOf({ state: "active", cordons: [kept] })).toBe("cordoned");
  });
});

describe("the time of the state that is shown", () => {
  const stateSince = "2026-11-30T07:00:00Z";
  const early = { ...cordon, since: "2026-11-30T08:00:00Z" };
  it.each([
    ["active", stateSince, {}],
    ["silent", since, { silentSince: since, cordons: [early] }],
    ["cordoned", early.since, { cordons: [cordon, early] }],
    ["draining", drain.since, { cordons: [early, drain] }],
    ["maintenance", stateSince, { state: "maintenance", cordons: [early] }],
  ] as const)("of a host that is %s", (_, expected, rest) => {
    const host = { state: "active", cordons: [], stateSince, ...rest } as const;
    expect(stateSinceOf(host)).toBe(expected);
  });
});

describe("silence", () => {
  const heardAtMs = 1_000_000;
  it.each([
    [15_000, 60_000, undefined],
    [15_000, 60_001, heardAtMs],
    [1_000, 4_001, heardAtMs],
    [undefined, 1e9, undefined],
  ])(
    "of an agent that promised a heartbeat every %s ms, %s ms later",
    (heartbeatMs, later, expected) => {
      expect(silentSince({ heartbeatMs, heardAtMs }, heardAtMs + later)).toBe(expected);
    },
  );
});

/** `+`: allowed. Columns as in `hostActions`. */
const table: Record<HostState, string> = {
  //           receive send adopt cordon uncordon maintain return retire
  joining: "     -      -    -     +       +        -       -      +",
  active: "      +      +    +     +       +        +       +      +",
  cordoned: "    -      +    +     +       +        +       +      +",
  draining: "    -      +    +     +       +        +       -      -",
  silent: "      -      -    -     +       +        +       +      +",
  maintenance: " -      +    +     +       +        +       +      +",
  retiring: "    -      +    -     +       +        -       -      +",
  retired: "     -      -    -     -       -        -       -      +",
};

describe("the table of host states", () => {
  it.each(HostState.options)("of %s", (state) => {
    const signs = table[state].trim().split(/\s+/);
    const expected = hostActions.map((action, place) => [action, signs[place] === "+"]);
    const found = hostActions.map((action) => [action, isAllowed(action, state)]);
    expect(found).toEqual(expected);
  });

  it("lets a guest come to an active host only", () => {
    const open = HostState.options.filter((state) => isAllowed("receive", state));
    expect(open).toEqual(["active"]);
  });

  it("names no action twice", () => {
    for (const actions of Object.values<readonly HostAction[]>(allowedActions)) {
      expect(new Set(actions).size).toBe(actions.length);
    }
  });
});
