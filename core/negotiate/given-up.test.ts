import { expect, it } from "vitest";
import { optionalCapabilities, withoutCapabilities } from "./given-up.ts";
import { MigrationPolicy } from "./policy.ts";
import { agree, on, reason } from "./testing/negotiating.ts";

const words = "Postcopy is not supported: userfaultfd is not available";

it("C1: what was only asked for is optional, what is required is not", () => {
  const policy = { capabilities: { multifd: "require", "auto-converge": "ask" } };
  expect(optionalCapabilities(agree({ policy }), MigrationPolicy.parse(policy))).toEqual([]);
  const ladder = { convergence: { ladder: "post-copy" } };
  expect(optionalCapabilities(agree({ policy: ladder }), MigrationPolicy.parse(ladder))).toEqual([
    "postcopy-ram",
  ]);
});

it("C1: what a required capability needs is not optional", () => {
  const policy = { capabilities: { "postcopy-preempt": "require", "postcopy-ram": "ask" } };
  expect(optionalCapabilities(agree({ policy }), MigrationPolicy.parse(policy))).toEqual([]);
});

it("C1: what QEMU refused is off on both sides, with what depends on it and QEMU's words", () => {
  const policy = { capabilities: { "postcopy-preempt": "ask", "postcopy-ram": "ask" } };
  const agreement = agree({ policy });
  expect(on(agreement.target)).toContain("postcopy-ram");
  const given = withoutCapabilities(agreement, [{ capability: "postcopy-ram", reason: words }]);
  for (const side of [given.source, given.target]) {
    expect(on(side)).not.toContain("postcopy-ram");
    expect(on(side)).not.toContain("postcopy-preempt");
    expect(on(side)).toContain("return-path");
  }
  expect(reason(given, "postcopy-ram")).toBe(`off: the target's QEMU refused it: ${words}`);
  expect(reason(given, "postcopy-preempt")).toContain("it requires postcopy-ram");
});
