import { describe, expect, it } from "vitest";
import {
  allowedActions,
  type HostAction,
  HostState,
  hostActions,
  hostStateOf,
  isAllowed,
} from "./host-state.ts";

const cordon = { owner: "ops", kind: "person", since: "2026-11-30T09:00:00Z" } as const;
const drain = { ...cordon, owner: "evac_1", kind: "evacuation", drains: true } as const;
const silentSince = "2026-11-30T09:00:00Z";

describe("the state that is shown of a host", () => {
  it.each([
    ["active", { state: "active", cordons: [] }],
    ["cordoned", { state: "active", cordons: [cordon] }],
    ["draining", { state: "active", cordons: [cordon, drain] }],
    ["silent", { state: "active", cordons: [drain], silentSince }],
    ["maintenance", { state: "maintenance", cordons: [drain], silentSince }],
    ["joining", { state: "joining", cordons: [cordon] }],
    ["retiring", { state: "retiring", cordons: [], silentSince }],
    ["retired", { state: "retired", cordons: [] }],
  ] as const)("is %s", (shown, host) => {
    expect(hostStateOf(host)).toBe(shown);
  });

  it("is cordoned when the evacuation has ended and its cordon stays", () => {
    const { drains: _, ...kept } = drain;
    expect(hostStateOf({ state: "active", cordons: [kept] })).toBe("cordoned");
  });
});

/** `+`: allowed. Columns as in `hostActions`. */
const table: Record<HostState, string> = {
  //           receive send adopt cordon uncordon maintain return retire
  joining: "     -      -    -     +       +        -       -      +",
  active: "      +      +    +     +       +        +       +      +",
  cordoned: "    -      +    +     +       +        +       +      +",
  draining: "    -      +    +     +       +        +       +      -",
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
