import { describe, expect, it } from "vitest";
import { MigrationPolicy } from "../negotiate/policy.ts";
import { agree, type Case, reason } from "../negotiate/testing/negotiating.ts";
import { planSwitchover, type SwitchoverPlan } from "./switchover-plan.ts";

type Given = {
  loadMs?: number;
  linkBytesPerSecond?: number;
  from?: Case["from"];
};

function plan(
  wanted: Record<string, unknown>,
  { loadMs, linkBytesPerSecond, from }: Given = {},
): SwitchoverPlan {
  const policy = MigrationPolicy.parse(wanted);
  return planSwitchover({
    agreement: agree({ policy, ...(from === undefined ? {} : { from }) }),
    policy,
    learned: loadMs === undefined ? undefined : { loadMs, from: "vm web1" },
    linkBytesPerSecond,
  });
}

function planned(...given: Parameters<typeof plan>) {
  const found = plan(...given);
  if (!found.ok) throw new Error(found.blocker.message);
  return found;
}

function limitOf(found: SwitchoverPlan): unknown {
  return found.ok ? found.agreement.source.parameters["downtime-limit"] : undefined;
}

describe("the downtime limit", () => {
  const ladder = { convergence: { ladder: "minimal-downtime" } };

  it.each([
    ["QEMU's default without a budget", {}, 200, 300],
    ["the policy's own", { downtimeLimitMs: 50 }, 200, 50],
    ["the whole budget when no load time is known", { downtimeBudgetMs: 900 }, undefined, 900],
    ["the budget less the load time", { downtimeBudgetMs: 900 }, 200, 700],
    ["at least 1 ms", { downtimeBudgetMs: 201 }, 200, 1],
    ["the policy's own within the budget", { downtimeBudgetMs: 900, downtimeLimitMs: 50 }, 200, 50],
    ["the room, below the policy's own", { downtimeBudgetMs: 230, downtimeLimitMs: 50 }, 200, 30],
    ["where a ladder begins", { downtimeBudgetMs: 2_000, ...ladder }, undefined, 100],
  ])("is %s", (_, policy, loadMs, limitMs) => {
    const found = planned(policy, loadMs === undefined ? {} : { loadMs });
    expect(limitOf(found)).toBe(limitMs);
    expect(found.prediction.downtimeMs).toBe(limitMs + (loadMs ?? 0));
    expect(found.gate).toBeUndefined();
  });

  it("has the budget as its reason, once", () => {
    const { agreement } = planned({ downtimeBudgetMs: 900 }, { loadMs: 200 });
    expect(reason(agreement, "downtime-limit")).toMatch(/900 ms.*200 ms.*vm web1/);
    const subjects = agreement.choices.map(({ subject }) => subject);
    expect(new Set(subjects).size).toBe(subjects.length);
  });
});

describe("a load time that alone breaks the budget", () => {
  const broken = { downtimeBudgetMs: 200 };

  it("is refused with a cure", () => {
    expect(plan(broken, { loadMs: 200 })).toMatchObject({
      ok: false,
      blocker: { code: "downtime-budget", field: "policy.downtimeBudgetMs" },
    });
  });

  it("holds at a gate when the policy says hold", () => {
    const found = planned({ ...broken, onBudgetExceeded: "hold" }, { loadMs: 200 });
    expect(found.gate).toEqual({ reason: "budget" });
    expect(limitOf(found)).toBe(300);
  });

  it("keeps a gate that was asked for", () => {
    const policy = { ...broken, onBudgetExceeded: "hold", switchover: { mode: "gated" } };
    expect(planned(policy, { loadMs: 200 }).gate).toEqual({ reason: "gated" });
  });
});

describe("the prediction", () => {
  it("has no source of learning when nothing is known", () => {
    expect(planned({}).prediction).toEqual({ downtimeMs: 300, loadMs: 0 });
  });

  it("names what it was learned from", () => {
    expect(planned({}, { loadMs: 40 }).prediction).toEqual({
      downtimeMs: 340,
      loadMs: 40,
      learnedFrom: "vm web1",
    });
  });

  const link = { linkBytesPerSecond: 1_000_000_000 };
  it.each([
    ["is there where QEMU takes it", {}, link, 1_000_000_000],
    ["is absent when nobody knows it", {}, {}, undefined],
    ["is absent before QEMU 8.2", {}, { ...link, from: "7.2" as const }, undefined],
    ["gives way to the policy", { switchoverBandwidthBytesPerSecond: 5_000 }, link, undefined],
    [
      "gives way to the parameter",
      { parameters: { "avail-switchover-bandwidth": 5_000 } },
      link,
      undefined,
    ],
  ])("the link's bandwidth %s", (_, policy, given, expected) => {
    expect(planned(policy, given).prediction.linkBytesPerSecond).toBe(expected);
  });
});

describe("the time for disks that are copied", () => {
  const GIB = 2 ** 30;
  const agreement = (parameters = {}) => {
    const agreed = agree({});
    const copy = { disk: "d", format: "raw", sizeBytes: GIB, sourceNode: "d" } as const;
    const copies = [{ ...copy, sourcePath: "/a", sourceAfter: "kept", targetPath: "/b" } as const];
    const source = { ...agreed.source, parameters: { ...agreed.source.parameters, ...parameters } };
    return { ...agreed, source, copies };
  };
  const predicted = (linkBytesPerSecond: number | undefined, parameters = {}) => {
    const policy = MigrationPolicy.parse({});
    const input = { agreement: agreement(parameters), policy, learned: undefined };
    const found = planSwitchover({ ...input, linkBytesPerSecond });
    return found.ok ? found.prediction : undefined;
  };

  it.each([
    ["the link", 2 ** 20, {}, 1_024_000],
    ["a cap below it", 2 ** 30, { "max-bandwidth": 2 ** 21 }, 516_930],
    ["a link below the cap", 2 ** 20, { "max-bandwidth": 2 ** 30 }, 1_024_000],
  ])("is predicted by %s", (_, link, parameters, diskMs) => {
    expect(predicted(link, parameters)).toMatchObject({ diskBytes: GIB, diskMs });
  });

  it("is unknown where neither is known, and absent without copies", () => {
    expect(predicted(undefined)).toMatchObject({ diskBytes: GIB });
    expect(predicted(undefined)).not.toHaveProperty("diskMs");
    expect(planned({}).prediction).not.toHaveProperty("diskBytes");
  });
});
