import { expect, it } from "vitest";
import { FleetSnapshot } from "./snapshot.ts";
import { fleet } from "./testing/fleet.ts";

const good = () =>
  structuredClone(fleet({ a: { vms: { a1: 8 } }, b: {} })) as unknown as {
    hosts: Record<string, unknown>[];
    vms: Record<string, unknown>[];
  };

it.each<[string, (snapshot: ReturnType<typeof good>) => void, string, string]>([
  ["a host twice", ({ hosts }) => hosts.push({ ...hosts[0] }), "hosts.2", "listed twice"],
  ["a VM twice", ({ vms }) => vms.push({ ...vms[0] }), "vms.1", "listed twice"],
  [
    "a QEMU that is not listed",
    ({ hosts }) => Object.assign(hosts[1] ?? {}, { qemu: "9.9" }),
    "hosts.1.qemu",
    "expected a key of `qemus`, got `9.9`",
  ],
  [
    "a VM on no host",
    ({ vms }) => Object.assign(vms[0] ?? {}, { host: "z" }),
    "vms.0",
    "expected a host of the snapshot, got `z`",
  ],
  [
    "a group with two rules",
    ({ vms }) => {
      const affinities = ["apart", "together"].map((rule) => ({ group: "g", rule }));
      Object.assign(vms[0] ?? {}, { affinities });
    },
    "vms.0.affinities",
    "expected the rule `apart` of the group g, got `together`",
  ],
])("refuses %s, and says where", (_, spoil, path, message) => {
  const snapshot = good();
  spoil(snapshot);
  const issue = FleetSnapshot.safeParse(snapshot).error?.issues[0];
  expect([issue?.path.join("."), issue?.message]).toEqual([path, message]);
});
