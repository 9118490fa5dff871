import { describe, expect, it } from "vitest";
import type { MoveState } from "./counters.ts";
import { noCounters } from "./counting.ts";
import { remainingWithNoticeMs } from "./eta.ts";
import { type Acknowledgement, type Notice, NoticeRule } from "./notice.ts";
import {
  acknowledge,
  afterDeadline,
  needsNotice,
  newNotice,
  noticeDueAt,
  withoutNoticeMs,
} from "./noticing.ts";

const HOUR_MS = 3_600_000;
const givenMs = Date.parse("2026-11-30T08:00:00.000Z");
const at = (hours: number) => new Date(givenMs + hours * HOUR_MS).toISOString();

function rule(rest: object = {}): NoticeRule {
  return NoticeRule.parse({ deadlineMs: 4 * HOUR_MS, postponeMs: 2 * HOUR_MS, ...rest });
}

const given = (rest: object = {}): Notice => newNotice(rule(rest), givenMs);
const by = (hours: number, notBefore?: string): Acknowledgement => ({
  by: "shop",
  at: at(hours),
  ...(notBefore === undefined ? {} : { notBefore }),
});

describe("whose owners are told", () => {
  it.each([
    ["all of them by default", {}, {}, true],
    [
      "those with a label",
      { labels: { tier: "gold" } },
      { labels: { tier: "gold", a: "b" } },
      true,
    ],
    [
      "not those with another value",
      { labels: { tier: "gold" } },
      { labels: { tier: "tin" } },
      false,
    ],
    ["not those without labels", { labels: { tier: "gold" } }, {}, false],
    ["those of a tenant", { tenants: ["shop"] }, { tenant: "shop" }, true],
    ["not those of another tenant", { tenants: ["shop"] }, { tenant: "mail" }, false],
    ["not those without a tenant", { tenants: ["shop"] }, {}, false],
    [
      "by both, if both are given",
      { tenants: ["shop"], labels: { a: "b" } },
      { tenant: "shop" },
      false,
    ],
  ])("%s", (_, wish, vm, expected) => {
    expect(needsNotice(rule(wish), vm)).toBe(expected);
  });
});

describe("a notice", () => {
  it("has a deadline, and a latest time to which the owner may postpone", () => {
    expect(given()).toEqual({
      givenAt: at(0),
      deadlineAt: at(4),
      latestAt: at(6),
      otherwise: "move",
    });
    expect(noticeDueAt(given())).toBe(at(4));
  });

  it("does not count against the tolerance, as far as its deadline and the postponement go", () => {
    const elapsed = (hours: number, wish?: NoticeRule) => withoutNoticeMs(hours * HOUR_MS, wish);
    expect([elapsed(5), elapsed(5, rule()), elapsed(7, rule())]).toEqual([5 * HOUR_MS, 0, HOUR_MS]);
  });

  it.each([
    ["moves by default", {}, {}, "waiting"],
    ["is held back if the rule says so", { otherwise: "hold" }, {}, "skipped"],
    ["moves if it was postponed", { otherwise: "hold" }, { acknowledged: by(1, at(3)) }, "waiting"],
  ] as const)("that has ended without more: the VM %s", (_, wish, rest, state) => {
    const notice = { ...given(wish), ...rest };
    const ended = afterDeadline(notice, at(5));
    const held = state === "skipped" ? { held: true } : {};
    expect(ended).toEqual({ state, notice: { ...notice, endedAt: at(5), ...held } });
  });
});

type Case = [what: string, state: MoveState, notice: object, by: Acknowledgement, expected: object];

const held = { endedAt: at(4), held: true };
const acknowledged = { acknowledged: by(1), endedAt: at(1) };
const postponed = { acknowledged: by(1, at(5)) };
const cases: Case[] = [
  ["ends the wait", "noticed", {}, by(1), { state: "waiting", notice: acknowledged }],
  ["postpones", "noticed", {}, by(1, at(5)), { state: "noticed", notice: postponed }],
  ["up to the limit", "noticed", {}, by(1, at(6)), { state: "noticed" }],
  ["but not beyond it", "noticed", {}, by(1, at(7)), { refused: "too-late", detail: at(6) }],
  ["to the past is one for now", "noticed", {}, by(1, at(0)), { state: "waiting" }],
  ["a second time changes nothing", "waiting", acknowledged, by(2), { repeated: true }],
  ["postponed, the same again", "noticed", postponed, by(2, at(5)), { repeated: true }],
  ["postponed, and then not", "noticed", postponed, by(2), { state: "waiting" }],
  [
    "postponed anew while it has not begun",
    "waiting",
    acknowledged,
    by(2, at(5)),
    { state: "noticed" },
  ],
  ["of a VM that moves changes nothing", "moving", { endedAt: at(4) }, by(5), { repeated: true }],
  [
    "of a VM that moves postpones nothing",
    "moving",
    { endedAt: at(4) },
    by(5, at(6)),
    { refused: "move-over" },
  ],
  ["of one that was held back moves it", "skipped", held, by(5), { state: "retrying" }],
  ["of one that a person has skipped", "skipped", {}, by(1), { refused: "move-over" }],
  ["of one that has failed", "failed", { endedAt: at(4) }, by(5), { refused: "move-over" }],
];

describe("an acknowledgement", () => {
  it.each(cases)("%s", (_, state, notice, answer, expected) => {
    expect(acknowledge({ state, notice: { ...given(), ...notice } }, answer)).toMatchObject(
      expected,
    );
  });

  it("of a VM whose owner was not told is refused", () => {
    expect(acknowledge({ state: "waiting" }, by(1))).toMatchObject({ refused: "no-notice" });
  });

  it("forgets that it was held back", () => {
    const notice = { ...given({ otherwise: "hold" }), ...held } as Notice;
    const moved = acknowledge({ state: "skipped", notice }, by(5));
    expect(moved).toEqual({
      state: "retrying",
      notice: { ...given({ otherwise: "hold" }), acknowledged: by(5), endedAt: at(5) },
    });
  });
});

describe("the predicted end of an evacuation whose VMs wait for owners", () => {
  const counters = (noticed: number) => ({
    ...noCounters(),
    total: 4,
    noticed,
    waiting: 4 - noticed,
  });
  it.each([
    ["that of the plan when none waits", 0, 50, 100],
    ["the end of the wait, and the work behind it", 2, 500, 550],
    ["that of the plan when the wait is short", 1, 10, 100],
    ["that of the plan when the wait is over", 4, -10, 100],
  ])("is %s", (_, noticed, waitMs, expected) => {
    expect(remainingWithNoticeMs(100, waitMs, counters(noticed))).toBe(expected);
  });
});
