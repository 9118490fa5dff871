import { describe, expect, it } from "vitest";
import { noCounters } from "./counting.ts";
import { type Action, decide, type Life, shownStatus } from "./life.ts";
import { PAUSES_MAX } from "./pausing.ts";
import { ApprovalRule } from "./request.ts";
import { AT, lifeAfter, planned, refusal, running } from "./testing/life.ts";

const by = (author: string, message?: string) => ({
  author,
  ...(message === undefined ? {} : { message }),
});
const counted = (fields: Partial<Life["counters"]>) => ({
  counters: { ...noCounters(), ...fields },
});

describe("an approval", () => {
  it("starts the evacuation, once", () => {
    const approve = { do: "approve", version: 1, ...by("bob") } as const;
    const approved = lifeAfter(planned(), approve);
    expect(approved).toMatchObject({
      status: "approved",
      approvedVersion: 1,
      consentedVersion: 1,
    });
    expect(decide(approved, approve, AT)).toEqual({ repeated: true });
  });

  it("needs as many persons as the rule says, for the same version", () => {
    const approval = ApprovalRule.parse({ approvers: 2, otherThanPlanner: true });
    const q = { do: "approve", version: 1, ...by("q") } as const;
    const first = lifeAfter(planned({ approval }), q, q);
    expect(first).toMatchObject({ status: "planned", approvals: [{ by: "q", version: 1 }] });
    // The word for version 1 does not count for version 2.
    const second = lifeAfter(
      first,
      { do: "offer", version: 2, isWithinTolerance: false },
      {
        do: "approve",
        version: 2,
        ...by("r"),
      },
    );
    expect(second.status).toBe("planned");
    const both = lifeAfter(second, { do: "approve", version: 2, ...by("q") });
    expect(both).toMatchObject({ status: "approved", approvedVersion: 2 });
  });

  const newest = planned({ version: 2 });
  const strict = planned({ approval: ApprovalRule.parse({ otherThanPlanner: true }) });
  it.each<[string, Life, number, string, string]>([
    ["of an old version", newest, 1, "bob", "plan-changed"],
    ["of a version that does not exist", newest, 7, "bob", "plan-not-found"],
    ["by whoever has planned it", strict, 1, "ada", "approver-is-planner"],
    ["of a rejected one", planned({ status: "rejected" }), 1, "bob", "evacuation-over"],
    ["of an expired one", planned({ status: "expired" }), 1, "bob", "approval-expired"],
    ["that comes late", planned({ approveUntil: AT }), 1, "bob", "approval-expired"],
    [
      "of what is carried out",
      running({ consentedVersion: undefined }),
      1,
      "bob",
      "evacuation-not-planned",
    ],
  ])("%s is refused", (_, life, version, author, code) => {
    expect(refusal(life, { do: "approve", version, author })).toBe(code);
  });

  it("and the deadline cannot both be first", () => {
    const late = planned({ approveUntil: AT });
    expect(lifeAfter(late, { do: "expire" }).status).toBe("expired");
    const approved = lifeAfter(planned(), { do: "approve", version: 1, ...by("bob") });
    expect(decide(approved, { do: "expire" }, "2026-12-30T00:00:00.000Z")).toEqual({
      repeated: true,
    });
  });
});

describe("pauses are a set with authors", () => {
  const ada = { do: "pause", ...by("ada", "ticket 7") } as const;

  it("of bounded size", () => {
    const authors = Array.from({ length: PAUSES_MAX }, (_, one) => `author-${one}`);
    const pauses = authors.map((author): Action => ({ do: "pause", author }));
    expect(refusal(lifeAfter(running(), ...pauses), ada)).toBe("too-many-pauses");
    const [, ...fewer] = pauses;
    expect(refusal(lifeAfter(running(), ...fewer), ada)).toBeUndefined();
  });

  it("in which a second one of the same person changes nothing", () => {
    const paused = lifeAfter(running(), ada, { ...ada, message: "another" });
    expect(Object.values(paused.pauses)).toMatchObject([{ author: "ada", message: "ticket 7" }]);
    expect(shownStatus(paused)).toBe("paused");
  });

  it("of which a person ends those of persons only", () => {
    const held = lifeAfter(
      running(),
      ada,
      { do: "pause", ...by("bob") },
      { do: "hold", reason: "vm-unknown" },
    );
    expect(Object.keys(held.pauses)).toHaveLength(3);
    const resumed = lifeAfter(held, { do: "resume", ...by("ada") });
    expect(Object.keys(resumed.pauses)).toEqual(["vm-unknown"]);
    expect(shownStatus(resumed)).toBe("paused");
  });

  it("and resuming grants the error budget again", () => {
    const used = running(counted({ total: 4, failed: 3, waiting: 1 }));
    const resumed = lifeAfter(
      used,
      { do: "hold", reason: "error-budget" },
      { do: "resume", ...by("ada") },
    );
    expect(resumed).toMatchObject({ failedBefore: 3, pauses: {} });
  });

  it("and each says what ends it", () => {
    const { pauses } = lifeAfter(running(), ada, { do: "hold", reason: "tolerance" });
    for (const { endsWith } of Object.values(pauses)) expect(endsWith).toMatch(/waits for you/);
  });

  it.each(["planned", "cancelling"] as const)("and one that is %s has none", (status) => {
    expect(refusal(planned({ status }), ada)).toBe("evacuation-not-running");
  });
});

describe("a newer version", () => {
  const offer = (isWithinTolerance: boolean) =>
    ({ do: "offer", version: 2, isWithinTolerance }) as const;

  it("within the tolerance is carried out, and the tolerance stays where a person put it", () => {
    expect(lifeAfter(running(), offer(true))).toMatchObject({
      version: 2,
      approvedVersion: 2,
      consentedVersion: 1,
      pauses: {},
    });
  });

  it("beyond it pauses until a person approves it", () => {
    const asked = lifeAfter(running(), offer(false));
    expect(asked).toMatchObject({ version: 2, approvedVersion: 1 });
    expect(shownStatus(asked)).toBe("paused");
    expect(lifeAfter(asked, { do: "resume", ...by("ada") }).pauses).toHaveProperty("tolerance");
    const approved = lifeAfter(asked, { do: "approve", version: 2, ...by("bob") });
    expect(approved).toMatchObject({ approvedVersion: 2, consentedVersion: 2, pauses: {} });
  });

  it("of the same number, written by another step, changes nothing", () => {
    expect(decide(running({ version: 2 }), offer(true), AT)).toEqual({ repeated: true });
  });
});

describe("the clock", () => {
  const windowEnd = {
    do: "keep-times",
    pause: { reason: "window-end", author: "sch_1", endsWith: "at ten" },
  } as const;
  const opened: Action = { do: "keep-times" };

  it("sets one pause, and ends its own and no other", () => {
    const paused = lifeAfter(running(), { do: "pause", ...by("ada", "ticket 7") }, windowEnd);
    expect(Object.keys(paused.pauses).toSorted()).toEqual(["operator ada", "window-end"]);
    expect(lifeAfter(paused, opened).pauses).toMatchObject({
      "operator ada": { message: "ticket 7" },
    });
    const freeze = { ...windowEnd, pause: { ...windowEnd.pause, reason: "freeze" as const } };
    expect(Object.keys(lifeAfter(paused, freeze).pauses)).not.toContain("window-end");
  });

  it("is not overruled by a person's resume", () => {
    const paused = lifeAfter(running(), windowEnd);
    expect(decide(paused, { do: "resume", ...by("ada") }, AT)).toEqual({ repeated: true });
    expect(decide(paused, windowEnd, AT)).toEqual({ repeated: true });
  });

  it("says anew when it goes on, and keeps since when it is paused", () => {
    const paused = lifeAfter(running(), windowEnd);
    const later = { ...windowEnd, pause: { ...windowEnd.pause, endsWith: "at eleven" } };
    const decided = decide(paused, later, "2026-11-30T10:30:00.000Z");
    expect("life" in decided && decided.life.pauses["window-end"]).toMatchObject({
      endsWith: "at eleven",
      since: AT,
    });
  });

  it("pauses nothing that does not run", () => {
    expect(decide(planned(), windowEnd, AT)).toEqual({ repeated: true });
  });
});

describe("the end", () => {
  const finish: Action = { do: "finish", isEmptied: true };
  it.each<[string, Life, Life["status"] | "repeated"]>([
    ["all moved", running(counted({ total: 4, moved: 4 })), "completed"],
    ["one is gone", running(counted({ total: 4, moved: 3, gone: 1 })), "completed"],
    [
      "one stays",
      running(counted({ total: 4, moved: 3, unplaced: 1 })),
      "completed-with-remainder",
    ],
    ["one failed", running(counted({ total: 4, moved: 3, failed: 1 })), "completed-with-remainder"],
    ["one skipped", running(counted({ total: 1, skipped: 1 })), "completed-with-remainder"],
    ["one still moves", running(counted({ total: 4, moved: 3, moving: 1 })), "repeated"],
    ["one is retried", running(counted({ total: 4, moved: 3, retrying: 1 })), "repeated"],
    ["nobody has approved it", planned(counted({})), "repeated"],
  ])("%s", (_, life, end) => {
    const decided = decide(life, finish, AT);
    expect("life" in decided ? decided.life.status : "repeated").toBe(end);
  });

  it("of a cancelled one waits for transfers in flight, and counts the rest as skipped", () => {
    const life = running(counted({ total: 4, moved: 1, moving: 1, waiting: 2 }));
    const cancelling = lifeAfter(life, { do: "cancel", ...by("ada", "no") });
    expect(cancelling).toMatchObject({ status: "cancelling", endedBy: { author: "ada" } });
    expect(decide(cancelling, finish, AT)).toEqual({ repeated: true });
    const over = lifeAfter(
      { ...cancelling, ...counted({ total: 4, moved: 2, waiting: 2 }) },
      finish,
    );
    expect(over).toMatchObject({ status: "cancelled", counters: { moved: 2, skipped: 2 } });
  });

  it("of one that was never begun is cancelled at once", () => {
    expect(lifeAfter(planned(), { do: "cancel", ...by("ada") }).status).toBe("cancelled");
  });
});

describe("a version that is offered while another one is carried out", () => {
  const offer = { do: "offer", version: 2, isWithinTolerance: false, isOptional: true } as const;
  const over = running(counted({ total: 2, moved: 1, unplaced: 1 }));
  const finish: Action = { do: "finish", isEmptied: false };
  const approve = { do: "approve", version: 2, ...by("bob") } as const;
  const offered = lifeAfter(over, offer);

  it("pauses nothing, and keeps the end open until its deadline", () => {
    expect(shownStatus(offered)).toBe("running");
    expect(offered).toMatchObject({ version: 2, approvedVersion: 1 });
    expect(decide(offered, finish, AT)).toEqual({ repeated: true });
    const { offeredUntil = "" } = offered;
    expect(Date.parse(offeredUntil) - Date.parse(AT)).toBe(offered.approval.deadlineMs);
    expect(decide(offered, finish, offeredUntil)).toMatchObject({
      life: { status: "completed-with-remainder" },
    });
    expect(refusal(offered, approve, offeredUntil)).toBe("approval-expired");
  });

  it("is carried out once it is approved", () => {
    const life = lifeAfter(offered, approve);
    expect(life).toMatchObject({ approvedVersion: 2, consentedVersion: 2 });
    expect(lifeAfter(life, finish).status).toBe("completed-with-remainder");
  });

  it("can be rejected, or replaced by one for which all waits", () => {
    const rejected = lifeAfter(offered, { do: "reject", ...by("bob") });
    expect(refusal(rejected, approve)).toBe("evacuation-not-planned");
    expect(lifeAfter(rejected, finish).status).toBe("completed-with-remainder");
    const replaced = lifeAfter(offered, { do: "offer", version: 3, isWithinTolerance: false });
    expect(shownStatus(replaced)).toBe("paused");
    expect(refusal(replaced, approve)).toBe("plan-changed");
  });
});

describe("a rollback", () => {
  const rollback = { do: "rollback", ...by("ada") } as const;

  it("of a completed one begins at once, with counters of its own", () => {
    const life = planned({ status: "completed", ...counted({ total: 4, moved: 4 }) });
    const back = lifeAfter(life, rollback);
    expect(back).toMatchObject({
      status: "rolling-back",
      counters: noCounters(),
      forward: { status: "completed", counters: { moved: 4 } },
    });
    const done = { ...back, ...counted({ total: 4, moved: 4 }) };
    expect(lifeAfter(done, { do: "finish", isEmptied: true }).status).toBe("rolled-back");
    expect(decide(done, rollback, AT)).toEqual({ repeated: true });
  });

  it("of a running one begins when transfers in flight have ended", () => {
    const life = running(counted({ total: 4, moved: 1, moving: 1, waiting: 2 }));
    const cancelling = lifeAfter(life, rollback);
    expect(cancelling.status).toBe("cancelling");
    expect(decide(cancelling, { do: "cancel", ...by("bob") }, AT)).toMatchObject({
      refused: "evacuation-not-running",
    });
    const ended = { ...cancelling, ...counted({ total: 4, moved: 2, waiting: 2 }) };
    expect(lifeAfter(ended, { do: "finish", isEmptied: true })).toMatchObject({
      status: "rolling-back",
      forward: { status: "cancelled", counters: { moved: 2, skipped: 2 } },
    });
  });

  it("that can move nothing back leaves it as it was", () => {
    const life = planned({ status: "completed", ...counted({ total: 1, moved: 1 }) });
    const stuck = { ...lifeAfter(life, rollback), ...counted({ total: 1, unplaced: 1 }) };
    expect(lifeAfter(stuck, { do: "finish", isEmptied: true }).status).toBe("completed");
  });

  it.each([planned(), running(counted({ total: 1, waiting: 1 }))])(
    "is refused where nothing has moved",
    (life) => {
      expect(refusal(life, rollback)).toBe("nothing-to-roll-back");
    },
  );
});
