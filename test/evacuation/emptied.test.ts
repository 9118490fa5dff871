import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EvacuationId, HostId } from "../../core/id.ts";
import { advanceEvacuation } from "../../functions/service/advance-evacuation.ts";
import { requireEvacuation } from "../../functions/service/change-evacuation.ts";
import { findHost } from "../../functions/store/hosts.ts";
import { listHolding } from "../../functions/store/slots.ts";
import { isWrite } from "../workflow/testing/killer.ts";
import { type Observe, Scene } from "./testing/scene.ts";

/** Real time for one test on a busy machine. */
const PATIENCE_MS = 180_000;
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** What is done after each write of anybody. */
let look: (() => Promise<void>) | undefined;
let isLooking = false;

const withLooks: Observe = (service, transport) => ({
  handle: async (request) => {
    const answer = await transport.handle(request);
    const isDue = service === "DYNAMODB" && isWrite(service, request.headers["x-amz-target"]);
    if (!isDue || look === undefined || isLooking) return answer;
    isLooking = true;
    try {
      await look();
    } finally {
      isLooking = false;
    }
    return answer;
  },
});

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.start(withLooks);
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
    const seen = { looks: 0, emptied: 0 };
    look = async () => {
      seen.looks += 1;
      await advanceEvacuation(evacuation);
      const { hosts, status } = await requireEvacuation(evacuation);
      if (hosts[0]?.state !== "emptied" && status !== "completed") return;
      seen.emptied += 1;
      expect([...scene.guests.places.values()]).not.toContain(a);
      expect((await findHost(host))?.reservedBytes).toBe(0);
      expect(await listHolding(host)).toEqual([]);
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
    look = undefined;
    expect(ended).toMatchObject({
      status: "completed",
      counters: { total: 2, moved: 2 },
      hosts: [{ state: "emptied" }],
    });
    expect(seen.looks).toBeGreaterThan(50);
    expect(seen.emptied).toBeGreaterThan(0);
    await scene.expectSound(ended);
  });
});
