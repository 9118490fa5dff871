import { beforeEach, describe, expect, it, vi } from "vitest";
import { MigrationId } from "../../core/id.ts";
import type { Migration } from "../../core/migration/migration.ts";
import { enterPhase } from "../../functions/store/migration-progress.ts";
import { readSweepCursor, writeSweepCursor } from "../../functions/store/sweep-cursor.ts";
import { handler as sweep } from "../../functions/task/sweep.ts";
import { addMigration, operate } from "./testing/fleet.ts";
import { TwoHosts } from "./testing/two-hosts.ts";

const hosts = TwoHosts.forEachTest();
let made: Migration;

beforeEach(async () => {
  made = await addMigration(hosts.vm, "host-b");
});

const reconcile = () => operate("POST", `/v1/vms/${hosts.vm}/reconcile`);
const startsOf = (id: string) =>
  [...hosts.cloud.stub.executions.keys()].filter((name) => name.startsWith(id));

describe("B4, F6: a migration whose execution was stopped", () => {
  it("is reopened once, from the next turn on, by two requests at once", async () => {
    hosts.cloud.stub.stopped.add(made.id);
    const answers = await Promise.all([reconcile(), reconcile()]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    expect(await reconcile()).toMatchObject({ status: 202, body: { id: made.id } });
    expect(startsOf(made.id)).toEqual([made.id, `${made.id}-turn-2`]);
    const input = JSON.parse(hosts.cloud.stub.executions.get(`${made.id}-turn-2`) ?? "");
    expect(input).toMatchObject({ turn: 2, lost: true });
  });

  it("is reopened once by a sweep beside a request", async () => {
    hosts.cloud.stub.stopped.add(made.id);
    await Promise.all([sweep({}), reconcile(), sweep({})]);
    expect(startsOf(made.id)).toEqual([made.id, `${made.id}-turn-2`]);
  });

  it("shows the loss in its timeline", async () => {
    hosts.cloud.stub.stopped.add(made.id);
    await sweep({});
    const { items } = (await operate("GET", `/v1/migrations/${made.id}/timeline`)).body as {
      items: { detail: Record<string, unknown> }[];
    };
    expect(items.map(({ detail }) => detail.action)).toContain("execution-lost");
  });

  it("that was reopened and lost again gets another turn: no answer of before counts", async () => {
    hosts.cloud.stub.stopped.add(made.id);
    await reconcile();
    hosts.cloud.stub.stopped.add(`${made.id}-turn-2`);
    await reconcile();
    expect(startsOf(made.id).at(-1)).toBe(`${made.id}-turn-3`);
  });
});

describe("B4: the sweep", () => {
  it("leaves a migration alone whose execution runs", async () => {
    await sweep({});
    expect(startsOf(made.id)).toEqual([made.id]);
    expect(await reconcile()).toMatchObject({ body: { code: "nothing-to-reconcile" } });
  });

  it("waits a minute for an execution that is just on its way, then starts it", async () => {
    hosts.cloud.stub.executions.delete(made.id);
    await sweep({});
    expect(startsOf(made.id)).toEqual([]);
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 61_000);
    await sweep({});
    clock.mockRestore();
    expect(startsOf(made.id)).toEqual([made.id]);
  });

  it("reports a migration that nothing was heard of for long, and leaves it alone", async () => {
    await enterPhase(MigrationId.parse(made.id), "probe");
    expect(await sweep({})).toMatchObject({ stalled: [] });
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 601_000);
    expect((await sweep({})).stalled).toContain(made.id);
    clock.mockRestore();
    expect(startsOf(made.id)).toEqual([made.id]);
  });

  it("goes on where the one before has stopped, and then begins again", async () => {
    hosts.cloud.stub.stopped.add(made.id);
    await writeSweepCursor(MigrationId.parse(made.id));
    expect((await sweep({})).restarted).not.toContain(made.id);
    expect(await readSweepCursor()).toBeUndefined();
    expect((await sweep({})).restarted).toContain(made.id);
  });

  it("goes on after one that it cannot restart, and reports it", async () => {
    hosts.cloud.stub.stopped.add(made.id);
    hosts.cloud.stub.refused.starts = 1;
    expect(await sweep({})).toMatchObject({ failed: [made.id] });
    expect(await sweep({})).toMatchObject({ failed: [] });
  });
});

describe("a request to reconcile", () => {
  it("answers 503 when the execution cannot be started, and works when it is repeated", async () => {
    hosts.cloud.stub.stopped.add(made.id);
    hosts.cloud.stub.refused.starts = 1;
    expect(await reconcile()).toMatchObject({
      status: 503,
      body: { code: "workflow-unavailable" },
    });
    expect(await reconcile()).toMatchObject({ status: 202 });
    expect(startsOf(made.id)).toEqual([made.id, `${made.id}-turn-2`]);
  });
});
