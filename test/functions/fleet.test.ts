import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MigrationId } from "../../core/id.ts";
import { PlanOptions } from "../../core/plan/options.ts";
import { planEvacuation } from "../../core/plan/plan.ts";
import { FleetSnapshot } from "../../core/plan/snapshot.ts";
import { VmDefinition } from "../../core/vm.ts";
import { readFleet } from "../../functions/service/read-fleet.ts";
import { readAllHosts, readAllVms } from "../../functions/store/fleet.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { facts, GiB } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";

const MIB = 2 ** 20;
const hosts: Record<string, TestAgent> = {};
let cloud: TestCloud;
let moving: MigrationId;

const memfd = { "qom-type": "memory-backend-memfd", id: "ram", size: GiB };
const memory = { lockableBytes: GiB, hugepages: [], nodes: [0], mountPageBytes: {} };
const agentPort = { driver: "virtserialport", chardev: "qga", name: "org.qemu.guest_agent.0" };
const gpu = VmDefinition.parse({
  machine: "pc",
  memoryBytes: GiB,
  cpuModel: "qemu64",
  memory: { backend: "ram" },
  objects: [memfd, { "qom-type": "iothread", id: "io0" }],
  netdevs: [{ id: "n0", type: "tap", ifname: { $host: "lan" } }],
  devices: [
    { driver: "vfio-pci", id: "gpu", sysfsdev: { $host: "gpu0" } },
    { driver: "virtio-net-pci", netdev: "n0" },
    { driver: "virtio-serial-pci", id: "serial0" },
    agentPort,
  ],
  chardevs: [{ id: "qga", backend: "null" }],
});

beforeAll(async () => {
  cloud = await startTestCloud();
  for (const id of ["host-a", "host-b", "host-c"])
    hosts[id] = await addHost(id, { slotsOut: 1, slotsIn: 1 });
  await operate("POST", "/v1/hosts", { id: "host-new" });
  const a = hostOf("host-a");
  await a.send("register", {
    host: "host-a",
    facts: { ...facts, linkBytesPerSecond: 5e8, resources: ["gpu0", "lan"], tls: ["psk"], memory },
  });
  await addVm("gpu-vm", a, gpu);
  for (const id of ["vm-1", "vm-2", "vm-3"]) await addVm(id, a, small());
  await addVm("gone", hostOf("host-b"), small());
  await hostOf("host-b").emit({ type: "guest.exited", vm: "gone" as never, detail: "it ended" });
  moving = MigrationId.parse((await addMigration("vm-1", "host-b")).id);
  await addMigration("vm-2", "host-b");
  await operate("PATCH", "/v1/hosts/host-b", { linkInBytesPerSecond: 25e7, labels: { rack: "7" } });
  await operate("POST", "/v1/hosts/host-c/cordon", { owner: "ops", message: "disk swap" });
});
afterAll(() => cloud.close());

function small() {
  return VmDefinition.parse({ machine: "pc", memoryBytes: 512 * MIB });
}

function hostOf(id: string): TestAgent {
  const agent = hosts[id];
  if (agent === undefined) throw new Error(`Expected host ${id} to be added`);
  return agent;
}

const find = <T extends { id: string }>(list: readonly T[], id: string) =>
  list.find((one) => one.id === id);

describe("the fleet, as it is read for the planner,", () => {
  it("fits the snapshot's schema", async () => {
    const { snapshot } = await readFleet();
    expect(FleetSnapshot.parse(snapshot)).toEqual(snapshot);
  });

  it("has every registered host with its facts, labels, limits and cordons", async () => {
    const { snapshot, joining } = await readFleet();
    expect(joining).toEqual(["host-new"]);
    expect(snapshot.hosts.map(({ id }) => id)).toEqual(["host-a", "host-b", "host-c"]);
    expect(find(snapshot.hosts, "host-a")).toMatchObject({
      state: "active",
      linkOutBytesPerSecond: 5e8,
      linkInBytesPerSecond: 5e8,
      resources: ["gpu0", "lan"],
      slotsOut: 1,
      tls: ["psk"],
      memory,
    });
    expect(find(snapshot.hosts, "host-b")).toMatchObject({
      labels: { rack: "7" },
      linkInBytesPerSecond: 25e7,
    });
    expect(find(snapshot.hosts, "host-b")).not.toHaveProperty("linkOutBytesPerSecond");
    expect(find(snapshot.hosts, "host-c")?.cordons).toMatchObject([
      { owner: "ops", message: "disk swap", since: expect.any(String) },
    ]);
  });

  it("has one QEMU for hosts with the same build", async () => {
    const { snapshot } = await readFleet();
    expect(Object.keys(snapshot.qemus)).toHaveLength(1);
    const other = { ...facts.qemu, binary: "/opt/qemu 1 2" };
    await hostOf("host-c").send("register", { host: "host-c", facts: { ...facts, qemu: other } });
    expect(Object.keys((await readFleet()).snapshot.qemus)).toHaveLength(1);
  });

  it("has every VM with a process, what it needs, and where it is going", async () => {
    const { snapshot } = await readFleet();
    expect(snapshot.vms.map(({ id }) => id)).toEqual(["gpu-vm", "vm-1", "vm-2", "vm-3"]);
    expect(find(snapshot.vms, "gpu-vm")).toMatchObject({
      host: "host-a",
      memoryBytes: GiB,
      machineType: "pc-i440fx-10.0",
      cpuModel: "qemu64",
      runState: "running",
      resources: ["gpu0"],
      sharedResources: ["lan"],
      vfioDevices: [{ id: "gpu", type: "vfio-pci" }],
      devices: [{ driver: "vfio-pci" }, agentPort],
      objects: [memfd],
    });
    // The slower link: half a GiB at 250 MB/s.
    expect(find(snapshot.vms, "vm-1")?.inFlight).toMatchObject({
      target: "host-b",
      bytesPerSecond: 25e7,
      endsInMs: 2_148,
    });
    expect(find(snapshot.vms, "vm-2")).toMatchObject({ plannedTarget: "host-b" });
    expect(find(snapshot.vms, "vm-2")).not.toHaveProperty("inFlight");
    expect(find(snapshot.vms, "vm-3")).not.toHaveProperty("plannedTarget");
  });

  it("counts memory that is held for others, and none twice", async () => {
    const { snapshot } = await readFleet();
    expect(snapshot.hosts.map(({ heldBytes }) => heldBytes)).toEqual([0, 0, 0]);
    await admit({ migrationId: moving });
    expect(find((await readFleet()).snapshot.hosts, "host-b")?.heldBytes).toBe(0);
  });

  it("takes the figures of a migration that reports some", async () => {
    const vm = "vm-1" as never;
    const progress = { status: "active", ramRemainingBytes: 3e8, bandwidthBytesPerSecond: 1e8 };
    const { body } = await operate("GET", `/v1/migrations/${moving}`);
    const of = { migrationId: moving, vm, epoch: Number(body.epoch) };
    await hostOf("host-a").emit({ type: "migration.progress", ...of, progress });
    const { snapshot } = await readFleet();
    expect(find(snapshot.vms, "vm-1")?.inFlight).toMatchObject({
      bytesPerSecond: 1e8,
      endsInMs: 3_000,
    });
  });

  it("can be planned with", async () => {
    const { snapshot } = await readFleet();
    const plan = planEvacuation(snapshot, PlanOptions.parse({ empty: ["host-a"] }));
    expect(plan.moves.map(({ vm, target }) => [vm, target])).toEqual(
      expect.arrayContaining([["vm-3", "host-b"]]),
    );
    expect(plan.unplaced.map(({ vm }) => vm)).toEqual(["gpu-vm"]);
  });

  it("is refused when it is larger than a plan takes", async () => {
    await expect(readAllVms(3, ({ id }) => id)).rejects.toThrow("more than 3 VMs");
    await expect(readAllHosts(2, new Set())).rejects.toThrow("more than 2 hosts");
  });
});

describe("the placement of a VM", () => {
  it("explains every other host, those that are joining too", async () => {
    const { status, body } = await operate("GET", "/v1/vms/gpu-vm/placement");
    expect(status).toBe(200);
    expect(body).toMatchObject({ vm: "gpu-vm", host: "host-a", blockers: [], fitting: [] });
    const reasons = body.reasons as { hosts: string[]; blockers: { code: string }[] }[];
    const codes = reasons.map(({ hosts: [host], blockers }) => [
      host,
      blockers.map(({ code }) => code),
    ]);
    expect(Object.fromEntries(codes)).toEqual({
      "host-b": ["vfio-missing", "resource-missing", "resource-missing"],
      "host-c": ["cordoned", "vfio-missing", "resource-missing", "resource-missing"],
      "host-new": ["host-joining"],
    });
  });

  it("lists the hosts that would take it", async () => {
    const { body } = await operate("GET", "/v1/vms/vm-3/placement");
    expect(body).toMatchObject({ fitting: ["host-b"], cures: [] });
  });

  it("says that a migration holds it", async () => {
    const { body } = await operate("GET", "/v1/vms/vm-1/placement");
    expect(body.blockers).toMatchObject([{ code: "migration-in-progress" }]);
  });

  it.each([
    ["nobody", 404, "vm-not-found"],
    ["gone", 409, "vm-not-running"],
  ])("is refused for %s", async (id, status, code) => {
    const answer = await operate("GET", `/v1/vms/${id}/placement`);
    expect(answer).toMatchObject({ status, body: { code } });
  });
});
