import { expect, it } from "vitest";
import { HostId, VmId } from "../../core/id.ts";
import type { ModelEvent } from "../../rig/model-hosts.ts";
import { Replay } from "./check.ts";

const limits = { slotsOut: 1, slotsIn: 1, placesIn: 1, room: 3 };
const a = HostId.parse("a");
const b = HostId.parse("b");
const v1 = VmId.parse("v1");
const v2 = VmId.parse("v2");
const v3 = VmId.parse("v3");
const v4 = VmId.parse("v4");
const moved = (vm: VmId, host: HostId, target: HostId): ModelEvent[] => [
  { is: "prepared", vm, host: target },
  { is: "begun", vm, host, target },
  { is: "arrived", vm, host, target },
];
const started: ModelEvent[] = [v1, v2].map((vm) => ({ is: "started", vm, host: a }));
const begun = (vm: VmId): ModelEvent => ({ is: "begun", vm, host: a, target: b });
const prepared = (vm: VmId): ModelEvent => ({ is: "prepared", vm, host: b });

function replay(...events: ModelEvent[]): Replay {
  return new Replay([...started, ...events], limits);
}

it("finds nothing in moves one after the other, and says where the guests are", () => {
  const ended: ModelEvent = { is: "ended", vm: v2, host: b };
  const found = replay(...moved(v1, a, b), prepared(v2), ended, ...moved(v2, a, b));
  expect([found.overshoots, found.misplaced]).toEqual([[], []]);
  expect(found.places).toEqual(new Map([v1, v2].map((vm) => [vm, b])));
  expect([found.streamsMax, found.preparedMax]).toEqual([1, 1]);
});

it("finds two streams at once on both hosts", () => {
  const found = replay(prepared(v1), prepared(v2), begun(v1), begun(v2));
  expect(found.overshoots).toEqual([
    "2 streams out of a, 1 are allowed",
    "2 streams into b, 1 are allowed",
  ]);
  expect(found.misplaced).toEqual(["v1 is still being sent", "v2 is still being sent"]);
});

it("finds more prepared targets than places, and more guests than memory", () => {
  const found = replay(...[v1, v2, v3].map(prepared), { is: "started", vm: v4, host: b });
  expect(found.overshoots).toEqual([
    "3 prepared targets on b, 2 are allowed",
    "3 prepared targets on b, 2 are allowed",
    "4 guests on b, 3 are allowed",
  ]);
});

it("finds a guest that is sent from where it is not, or twice", () => {
  const found = replay(...moved(v1, a, b), ...moved(v1, a, b));
  expect(found.misplaced).toEqual(["v1 is sent from a, and runs on b"]);
});
