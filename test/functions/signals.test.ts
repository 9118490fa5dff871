import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MigrationId, ulid } from "../../core/id.ts";
import { interrupt, raiseSignals } from "../../functions/agent-events/signals.ts";
import { registerWait } from "../../functions/service/register-wait.ts";
import { noSignals, settlement, type Waiter } from "../../functions/store/signals.ts";
import { putItem } from "../../functions/store/table.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});

afterAll(() => cloud.close());

type Act = "wait" | "raise" | "fail" | "interrupt";

/** Every order of the acts, and how the one wait must end. */
const orders: [acts: Act[], interruptible: boolean, end: string | undefined][] = [
  [["wait"], true, undefined],
  [["wait", "raise"], true, "ok"],
  [["raise", "wait"], true, "ok"],
  [["wait", "fail"], true, "CommandFailed"],
  [["fail", "wait"], true, "CommandFailed"],
  [["wait", "interrupt"], true, "MigrationCancelled"],
  [["interrupt", "wait"], true, "MigrationCancelled"],
  [["wait", "interrupt"], false, undefined],
  [["interrupt", "wait"], false, undefined],
  [["wait", "raise", "interrupt"], true, "ok"],
  [["wait", "interrupt", "raise"], true, "MigrationCancelled"],
  [["raise", "wait", "interrupt"], true, "ok"],
  [["raise", "interrupt", "wait"], true, "ok"],
  [["interrupt", "wait", "raise"], true, "MigrationCancelled"],
  [["interrupt", "raise", "wait"], true, "ok"],
  [["interrupt", "wait", "raise"], false, "ok"],
  [["wait", "interrupt", "raise"], false, "ok"],
  [["wait", "raise", "fail"], true, "ok"],
  [["wait", "fail", "raise"], true, "CommandFailed"],
  [["raise", "fail", "wait"], true, "ok"],
  [["fail", "raise", "wait"], true, "CommandFailed"],
];

describe("a wait and a signal meet", () => {
  it.each(orders)("%j (interruptible: %s) ends once with %s", async (acts, interruptible, end) => {
    const { id, act, ends } = await migration(interruptible);
    for (const one of acts) await act(one);
    expect(ends()).toEqual(end === undefined ? [] : [end]);
    for (const one of acts) await act(one);
    expect(ends(), `after all acts were repeated for ${id}`).toEqual(
      end === undefined ? [] : [end],
    );
  });

  it.each(orders)("%j at the same time (interruptible: %s) ends at most once", async (acts, i) => {
    for (let round = 0; round < 5; round += 1) {
      const { act, ends } = await migration(i);
      await Promise.all(acts.map((one) => act(one)));
      const decided = acts.some((one) => one === "raise" || one === "fail");
      const some = decided || (i && acts.includes("interrupt"));
      expect(ends()).toHaveLength(some ? 1 : 0);
    }
  });

  it("a wait for several ends with the last of them", async () => {
    const { id, ends, token } = await migration(true);
    const names = ["cmd.probe-source.1", "cmd.probe-target.1"];
    const waiter = { token, names, failOn: names, interruptible: true };
    await registerWait(id, names.join("+"), waiter, none);
    await raiseSignals(id, [{ name: "cmd.probe-target.1", outcome: outcome("host-b#1") }]);
    expect(ends()).toEqual([]);
    await raiseSignals(id, [{ name: "cmd.probe-source.1", outcome: outcome("host-a#1") }]);
    expect(ends()).toEqual(["ok"]);
  });

  it("a wait for several fails with the first that fails", async () => {
    const { id, ends, token } = await migration(true);
    const names = ["cmd.probe-source.1", "cmd.probe-target.1"];
    await registerWait(id, "probes", { token, names, failOn: names, interruptible: true }, none);
    await raiseSignals(id, [
      { name: "cmd.probe-target.1", outcome: { ...outcome("host-b#1"), error } },
    ]);
    expect(ends()).toEqual(["CommandFailed"]);
  });

  it("the token of a retried state replaces the first one", async () => {
    const { id, act, ends, token } = await migration(true);
    await act("wait");
    await registerWait(id, "acked", { ...waiterOf(token), token: `${token}-again` }, none);
    await act("raise");
    expect(ends()).toEqual([]);
    expect(cloud.stub.ended).toContainEqual({ token: `${token}-again`, ok: true });
  });

  it("signals of a migration that does not exist change nothing", async () => {
    const id = newId();
    const before = await cloud.scan();
    await raiseSignals(id, [{ name: "acked", outcome: outcome("cloud") }]);
    await interrupt(id, { kind: "failed", at: "now", detail: "" });
    await expect(registerWait(id, "acked", waiterOf("t"), none)).rejects.toMatchObject({
      name: "StaleMigration",
    });
    expect(await cloud.scan()).toEqual(before);
  });
});

describe("settlement", () => {
  const waiter = waiterOf("t");
  it("is open while nothing concerns the wait", () => {
    expect(settlement(waiter, { raised: { converged: outcome("a") } })).toBeUndefined();
  });

  it("prefers an outcome to an interrupt", () => {
    const what = { kind: "cancelled", at: "", detail: "" } as const;
    expect(settlement(waiter, { raised: { acked: outcome("a") }, interrupt: what })).toEqual({
      ok: true,
    });
  });
});

/** These waits enter no phase. */
const none = Promise.resolve();

const error = { name: "CommandFailed", message: "qemu: no" };

function newId() {
  return MigrationId.parse(`mig_${ulid(Date.now(), randomBytes(10))}`);
}

function outcome(by: string) {
  return { at: new Date().toISOString(), by };
}

function waiterOf(token: string): Waiter {
  return { token, names: ["acked"], failOn: ["acked"], interruptible: true };
}

/** A migration with one wait, through the functions that workflow tasks and events use. */
async function migration(interruptible: boolean) {
  const id = newId();
  const token = `token-of-${id}`;
  await putItem(noSignals(id));
  const acts: Record<Act, () => Promise<unknown>> = {
    wait: () => registerWait(id, "acked", { ...waiterOf(token), interruptible }, none),
    raise: () => raiseSignals(id, [{ name: "acked", outcome: outcome("host-a#7") }]),
    fail: () => raiseSignals(id, [{ name: "acked", outcome: { ...outcome("host-a#8"), error } }]),
    interrupt: () => interrupt(id, { kind: "cancelled", at: "now", detail: "asked for" }),
  };
  return {
    id,
    token,
    act: (name: Act) => acts[name](),
    ends: () =>
      cloud.stub.ended.filter((one) => one.token === token).map((one) => one.error ?? "ok"),
  };
}
