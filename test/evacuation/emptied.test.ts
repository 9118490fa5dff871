import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EvacuationId, HostId } from "../../core/id.ts";
import { advanceEvacuation } from "../../functions/service/advance-evacuation.ts";
import { ask, edit, requireEvacuation } from "../../functions/service/change-evacuation.ts";
import { findHost } from "../../functions/store/hosts.ts";
import { listHolding } from "../../functions/store/slots.ts";
import { isWrite } from "../workflow/testing/killer.ts";
import { type Observe, Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** What is done after each write of anybody. */
let onWrite: (() => Promise<void>) | undefined;
let isBusy = false;

const afterWrites: Observe = (service, transport) => ({
  handle: async (request) => {
    const answer = await transport.handle(request);
    const isDue = service === "DYNAMODB" && isWrite(service, request.headers["x-amz-target"]);
    if (!isDue || onWrite === undefined || isBusy) return answer;
    isBusy = true;
    try {
      await onWrite();
    } finally {
      isBusy = false;
    }
    return answer;
  },
});

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.start(afterWrites);
});
afterAll(() => scene?.close());

describe("a host that is emptied", () => {
  it("has no guest, no memory and no migration, after whichever write it is looked at", async () => {
    const { harness } = scene;
    const { a = "" } = await scene.fleet({ a: 1, b: 0 });
    const host = HostId.parse(a);
    scene.guests.courses.set(harness.vm("a1"), ["breaks", "completes"]);
    const { id } = await harness.plan([a], { tolerance: { endShare: 10 } });
    const evacuation = EvacuationId.parse(id);
    const seen = { writes: 0, emptied: 0 };
    const faults: string[] = [];
    onWrite = async () => {
      seen.writes += 1;
      // Its workflow, which alone advances it, is started after that.
      if ((await requireEvacuation(evacuation)).status === "approved") return;
      await advanceEvacuation(evacuation);
      const { hosts, status } = await requireEvacuation(evacuation);
      if (hosts[0]?.state !== "emptied" && status !== "completed") return;
      seen.emptied += 1;
      const { reservedBytes } = (await findHost(host)) ?? {};
      const migrations = await listHolding(host);
      if ([...scene.guests.places.values()].includes(a)) faults.push("a guest");
      if (reservedBytes !== 0) faults.push(`${reservedBytes} bytes`);
      if (migrations.length > 0) faults.push(`migrations ${migrations.join()}`);
    };
    let isAdopted = false;
    harness.intercept = async (state, call) => {
      // A guest appears while the end of the last one is written.
      if (state === "Complete" && !isAdopted) {
        isAdopted = true;
        await (await harness.bringIn(a, "a9", { adopt: { qmpPath: "/run/a9.qmp" } }))();
      }
      return call();
    };
    await harness.act(id, "approve", { version: 1 });
    const ended = await scene.end(id);
    onWrite = undefined;
    expect(ended).toMatchObject({
      status: "completed",
      counters: { total: 2, moved: 2 },
      hosts: [{ state: "emptied" }],
    });
    expect(faults).toEqual([]);
    expect(seen.writes).toBeGreaterThan(50);
    expect(seen.emptied).toBeGreaterThan(0);
    await scene.expectSound(ended);
  });
});

describe("a change of an evacuation", () => {
  it("is answered as it was written, though another writer follows at once", async () => {
    const { a = "" } = await scene.fleet({ a: 1, b: 0 });
    const planned = await scene.harness.plan([a]);
    const id = EvacuationId.parse(planned.id);
    const before = await requireEvacuation(id);
    onWrite = async () => {
      onWrite = undefined;
      await edit(id, ({ lost }) => ({ lost: lost + 1 }));
    };
    const answered = await ask(id, { do: "reject", author: "ada" });
    const { revision, lost } = before;
    expect(answered).toMatchObject({ status: "rejected", revision: revision + 1, lost });
    const { updatedAt, ...now } = await requireEvacuation(id);
    const both = { ...answered, revision: revision + 2, lost: lost + 1 };
    expect(now).toEqual({ ...both, updatedAt: undefined });
    expect(updatedAt >= answered.updatedAt).toBe(true);
  });
});
