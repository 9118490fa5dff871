import { expect, it } from "vitest";
import { agree, on, reason, refuse } from "./testing/negotiating.ts";

const PAUSE = "pause-before-switchover";
const source = { hooks: ["preSwitchover" as const] };

it("a pre-switchover hook of the source host turns the pause on, and is the reason", () => {
  const agreement = agree({ source });
  expect(on(agreement.source)).toContain(PAUSE);
  expect(on(agreement.target)).not.toContain(PAUSE);
  expect(reason(agreement, PAUSE)).toContain("the source host has a pre-switchover hook");
  expect(on(agree({ source: { hooks: [] } }).source)).not.toContain(PAUSE);
});

it("a policy that forbids the pause is refused where the source has such a hook", () => {
  const [blocker, ...more] = refuse({ source, policy: { capabilities: { [PAUSE]: "forbid" } } });
  expect(blocker).toMatchObject({
    code: "hook-needs-pause",
    field: `policy.capabilities.${PAUSE}`,
  });
  expect(more).toEqual([]);
  expect(agree({ policy: { capabilities: { [PAUSE]: "forbid" } } })).toBeDefined();
});

it("a policy that requires the pause is the reason, also with a hook", () => {
  const agreement = agree({ source, policy: { capabilities: { [PAUSE]: "require" } } });
  expect(reason(agreement, PAUSE)).toContain("required");
});
