import type { HostState } from "./host-state.ts";

/**
 * What may be done to a host, or with its guests. `receive`: a guest is started there, or moved
 * there; `send`: a guest is moved away; `adopt`: a guest that runs there already gets a record.
 */
export const hostActions = [
  "receive",
  "send",
  "adopt",
  "cordon",
  "uncordon",
  "maintain",
  "return",
  "retire",
] as const;
export type HostAction = (typeof hostActions)[number];

const allBut = (...actions: HostAction[]) =>
  hostActions.filter((action) => !actions.includes(action));

/**
 * What is allowed in which state. `maintain` and `retire` also need a host without guests, and are
 * allowed where they were done already: a repeated request changes nothing.
 */
export const allowedActions: Readonly<Record<HostState, readonly HostAction[]>> = {
  joining: ["cordon", "uncordon", "retire"],
  active: hostActions,
  cordoned: allBut("receive"),
  draining: allBut("receive", "return", "retire"),
  // Commands do not reach it. Its guests may be gone, which no silence tells.
  silent: ["cordon", "uncordon", "maintain", "return", "retire"],
  maintenance: allBut("receive"),
  retiring: ["send", "cordon", "uncordon", "retire"],
  retired: ["retire"],
};

export function isAllowed(action: HostAction, state: HostState): boolean {
  return allowedActions[state].includes(action);
}
