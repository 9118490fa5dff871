import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition, GiB } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";

let cloud: TestCloud;
let agent: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  agent = await addHost("host-a");
  await addHost("host-b");
});

afterAll(() => cloud.close());

const resolved = { ...definition, machine: "pc-i440fx-10.0" };
const vmOf = async (id: string) => (await operate("GET", `/v1/vms/${id}`)).body;
const reserved = async () =>
  (await cloud.scan()).find(({ pk, sk }) => pk === "HOST#host-a" && sk === "META")?.reservedBytes;

describe("the life of a VM", () => {
  it("starts on its host, with the machine type the agent resolved", async () => {
    const made = await operate("POST", "/v1/vms", { id: "vm-1", host: "host-a", definition });
    expect(made).toMatchObject({ status: 202, body: { state: "starting", epoch: 1 } });
    const command = await agent.complete({ definition: resolved, pid: 7, runState: "running" });
    expect(command).toMatchObject({
      id: "vm-1.guest-start.1",
      verb: "guest.start",
      vm: "vm-1",
      epoch: 1,
      args: { definition },
    });
    expect(command).not.toHaveProperty("migrationId");
    expect(await vmOf("vm-1")).toMatchObject({ state: "running", definition: resolved });
    expect(await reserved()).toBe(GiB);
  });

  it("is asked to stop again and again, by a new command id each time", async () => {
    expect(await operate("DELETE", "/v1/vms/vm-1")).toMatchObject({ status: 202 });
    expect(await agent.take()).toMatchObject([
      { id: "vm-1.guest-stop.2", verb: "guest.stop", args: { mode: "powerdown" } },
    ]);
    expect(await operate("DELETE", "/v1/vms/vm-1?mode=quit")).toMatchObject({ status: 202 });
    expect(await vmOf("vm-1")).toMatchObject({ state: "running" });
    const command = await agent.complete({ stopped: true });
    expect(command).toMatchObject({ id: "vm-1.guest-stop.3", args: { mode: "quit" } });
    expect(await vmOf("vm-1")).toMatchObject({ state: "stopped" });
    expect(await reserved()).toBe(0);
  });

  it("is removed once it has stopped; a new VM of that name continues its epochs", async () => {
    expect(await operate("DELETE", "/v1/vms/vm-1")).toMatchObject({ status: 204 });
    expect(await operate("GET", "/v1/vms/vm-1")).toMatchObject({ status: 404 });
    await operate("POST", "/v1/vms", { id: "vm-1", host: "host-a", definition });
    const command = await agent.complete({ definition: resolved, pid: 8, runState: "running" });
    expect(command).toMatchObject({ id: "vm-1.guest-start.4", epoch: 2 });
  });

  it("fails when its host cannot start it, and releases its memory", async () => {
    await operate("POST", "/v1/vms", { id: "vm-2", host: "host-a", definition });
    const [asked] = await agent.take();
    if (asked === undefined) throw new Error("Expected a command");
    expect(await reserved()).toBe(2 * GiB);
    const error = { code: "qemu", message: "no such disk" } as const;
    await agent.emit({ type: "command.failed", commandId: asked.id, error });
    expect(await vmOf("vm-2")).toMatchObject({ state: "failed", detail: "qemu: no such disk" });
    expect(await reserved()).toBe(GiB);
  });

  it("is adopted where it runs, even on a host that is full", async () => {
    const full = { ...definition, memoryBytes: 8 * GiB };
    const adopt = { qmpPath: "/run/vm-3.qmp" };
    const body = { id: "vm-3", host: "host-a", definition: full, adopt };
    expect(await operate("POST", "/v1/vms", body)).toMatchObject({ status: 202 });
    const command = await agent.complete({ definition: full, pid: 9, runState: "running" });
    expect(command).toMatchObject({
      verb: "guest.adopt",
      args: { definition: full, qmpPath: "/run/vm-3.qmp" },
    });
    expect(await vmOf("vm-3")).toMatchObject({ state: "running" });
    expect(await reserved()).toBe(9 * GiB);
  });

  it("fails when its QEMU exits unasked, by an event of its own host only", async () => {
    const exit = { type: "guest.exited", vm: "vm-3" as never, detail: "signal 11" } as const;
    const other = await addHost("host-c");
    await other.emit(exit);
    expect(await vmOf("vm-3")).toMatchObject({ state: "running" });
    await agent.emit(exit);
    expect(await vmOf("vm-3")).toMatchObject({ state: "failed", detail: "signal 11" });
    expect(await reserved()).toBe(GiB);
    await agent.emit(exit);
    expect(await reserved()).toBe(GiB);
  });

  it("cannot be stopped while a migration holds it", async () => {
    const { id } = await addMigration("vm-1", "host-b");
    const before = await cloud.scan();
    expect(await operate("DELETE", "/v1/vms/vm-1")).toMatchObject({
      status: 409,
      body: { code: "vm-locked", migration: id },
    });
    expect(await cloud.scan()).toEqual(before);
  });

  it("is listed by name, a page at a time", async () => {
    await addVm("vm-0", await addHost("host-d"));
    const first = await operate("GET", "/v1/vms?limit=2");
    expect(first.body.items).toMatchObject([{ id: "vm-0" }, { id: "vm-1" }]);
    const rest = await operate("GET", `/v1/vms?limit=2&after=${first.body.next}`);
    expect(rest.body.items).toMatchObject([{ id: "vm-2" }, { id: "vm-3" }]);
  });
});

describe("hosts", () => {
  it("show their join token once and never its hash", async () => {
    const made = await operate("POST", "/v1/hosts", { id: "host-e" });
    expect(made).toMatchObject({ status: 201, body: { host: { state: "joining" } } });
    const { token } = (made.body as { joinToken: { token: string } }).joinToken;
    expect(token).toMatch(/^syj_[A-Za-z0-9_-]{43}$/);
    const rows = JSON.stringify(await cloud.scan());
    expect(rows).not.toContain(token);
    const shown = [await operate("GET", "/v1/hosts/host-e"), await operate("GET", "/v1/hosts")];
    expect(JSON.stringify(shown)).not.toMatch(/TokenHash|lastSeq|requestSeq/);
  });

  it("are active with their facts once their agent has registered", async () => {
    expect((await operate("GET", "/v1/hosts/host-a")).body).toMatchObject({
      state: "active",
      slotsOut: 2,
      facts: { memoryBytes: 8 * GiB },
    });
  });

  it("are created once by several requests at the same time", async () => {
    const made = await Promise.all(
      Array.from({ length: 4 }, () => operate("POST", "/v1/hosts", { id: "host-f" })),
    );
    expect(made.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
  });
});
