import { expect } from "vitest";
import type { FleetEvent } from "../../../core/fleet-event/fleet-event.ts";
import { operate } from "../../functions/testing/fleet.ts";
import type { Scene } from "./scene.ts";

const HOUR_MS = 3_600_000;
const gold = { labels: { tier: "gold" } };

/** An evacuation of a host whose guest `a1` has an owner who is told; the others have moved. */
export async function noticed(scene: Scene, notice: object = {}, size = 3) {
  const { harness } = scene;
  const hosts = await scene.fleet({ a: size, b: 0, c: 0 });
  const vm = harness.vm("a1");
  await operate("PATCH", `/v1/vms/${vm}`, { ...gold, tenant: "shop" });
  const since = new Date().toISOString();
  const { id } = await harness.begin([hosts.a ?? ""], {
    notice: { deadlineMs: 4 * HOUR_MS, ...gold, message: "a memory module", ...notice },
  });
  const others = { moved: size - 1, noticed: 1 };
  const waits = await harness.until(id, ({ counters }) => counters.moved === others.moved);
  expect(waits).toMatchObject({ status: "running", counters: others });
  return { id, vm, hosts, since, waits };
}

export function acknowledge(id: string, vm: string, by: object = {}) {
  const path = `/v1/evacuations/${id}/moves/${vm}/acknowledge`;
  return operate("POST", path, { by: "shop", ...by });
}

/** Events of planned moves. */
export async function noticeEvents({ harness }: Scene, since: string): Promise<FleetEvent[]> {
  await harness.runTo(harness.clock.now() + 5_000);
  const types = "vm.move-planned,vm.move-acknowledged,vm.move-held";
  const { body } = await operate("GET", `/v1/events?after=${since}&type=${types}`);
  return body.items as FleetEvent[];
}
