import { describe, expect, it } from "vitest";
import { readSignals } from "../../functions/store/signals.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { definition, facts, vmId } from "./testing/fixtures.ts";
import { arrive, operate, type TestAgent } from "./testing/fleet.ts";
import { MEMORY_BYTES, recordOf, TwoHosts } from "./testing/two-hosts.ts";

const hosts = TwoHosts.forEachTest();

let boots = 0;

/** The agent registers with these guests; after `restart` the host has another boot id. */
async function register(agent: TestAgent, guests: string[] | undefined, restart = false) {
  if (restart) boots += 1;
  const own = { ...facts, bootId: `boot-${boots}` };
  const answer = await agent.send("register", { host: agent.host, facts: own, guests });
  expect(answer).toMatchObject({ status: 200 });
}

/** All VMs of earlier tests are present, so that a test concerns its own. */
const others = () =>
  Array.from({ length: 99 }, (_, n) => `vm-${n}`).filter((id) => id !== hosts.vm);

const heldBytes = async () =>
  (await hosts.cloud.scan()).find(({ pk, sk }) => pk === `VM#${hosts.vm}` && sk === "META")
    ?.heldBytes;

const interruptOf = async (id: string) => (await readSignals(id as never))?.interrupt;

describe("a host that registers without a guest", () => {
  it("after a restart: the VM has failed, its memory is released, and it can be removed", async () => {
    await register(hosts.source, others().concat(hosts.vm));
    await register(hosts.source, others(), true);
    expect(await hosts.vmNow()).toMatchObject({
      state: "failed",
      detail: "host-a has restarted, and does not have the guest any more",
    });
    expect(await heldBytes()).toBe(0);
    expect(await operate("DELETE", `/v1/vms/${hosts.vm}`)).toMatchObject({ status: 204 });
    const table = await hosts.cloud.scan();
    await register(hosts.source, others(), true);
    expect((await hosts.cloud.scan()).length).toBe(table.length);
  });

  it("without a restart: the VM is unknown, and a person gets it out", async () => {
    await register(hosts.source, others().concat(hosts.vm));
    await register(hosts.source, others());
    const { stateSince } = await hosts.vmNow();
    await register(hosts.source, others());
    expect(await hosts.vmNow()).toMatchObject({ state: "unknown", stateSince });
    expect(await heldBytes()).toBe(MEMORY_BYTES);
    expect(
      await operate("POST", "/v1/migrations", { vm: hosts.vm, target: "host-b" }),
    ).toMatchObject({
      status: 409,
      body: { code: "vm-unknown", detail: expect.stringContaining("host-a") },
    });
    expect(await operate("DELETE", `/v1/vms/${hosts.vm}`)).toMatchObject({ status: 202 });
    const [stop] = await hosts.source.take();
    await hosts.source.emit({
      type: "command.failed",
      commandId: stop?.id as never,
      error: { code: "not-found", message: "This host has no such guest" },
    });
    expect(await hosts.vmNow()).toMatchObject({ state: "stopped" });
    expect(await operate("DELETE", `/v1/vms/${hosts.vm}`)).toMatchObject({ status: 204 });
  });

  it("and finds it again: the VM has its run state again", async () => {
    await register(hosts.source, others().concat(hosts.vm));
    await register(hosts.source, others());
    await register(hosts.source, others().concat(hosts.vm));
    await hosts.source.emit({ type: "guest.run-state", vm: vmId(hosts.vm), runState: "running" });
    expect(await hosts.vmNow()).toMatchObject({ state: "running", runState: "running" });
    expect(await hosts.vmNow()).not.toHaveProperty("detail");
  });

  it.each([
    ["names it", () => others().concat(hosts.vm)],
    ["is of an older agent, and names none", () => undefined],
  ])("that %s changes nothing of the VM", async (_, guests) => {
    const before = await hosts.vmNow();
    await register(hosts.source, guests(), true);
    expect(await hosts.vmNow()).toEqual(before);
  });

  it("whose start it has not answered: changes nothing", async () => {
    const id = `${hosts.vm}-new`;
    const body = { id, host: "host-a", definition: { ...definition, memoryBytes: MEMORY_BYTES } };
    await operate("POST", "/v1/vms", body);
    await register(hosts.source, others().concat(hosts.vm), true);
    expect((await operate("GET", `/v1/vms/${id}`)).body).toMatchObject({ state: "starting" });
    await hosts.source.take();
  });

  it.each([
    ["by itself", { detail: "", shutdown: { guest: true, reason: "guest-shutdown" } }],
    ["by a signal", { detail: "signal 11" }],
  ])("that has ended before, %s: changes nothing", async (_, exit) => {
    await hosts.source.emit({ type: "guest.exited", vm: vmId(hosts.vm), ...exit });
    const before = await hosts.vmNow();
    await register(hosts.source, others());
    await register(hosts.source, others(), true);
    expect(await hosts.vmNow()).toEqual(before);
  });
});

describe("while a migration holds the VM, a host that registers without it", () => {
  it.each([
    [true, { state: "failed" }],
    [false, undefined],
  ])("as the source, restarted: %s, interrupts the migration", async (restart, sourceExit) => {
    await register(hosts.source, others().concat(hosts.vm));
    const made = await hosts.move();
    await register(hosts.source, others(), restart);
    expect(await interruptOf(made.id)).toMatchObject({ kind: "failed" });
    const stored = (await hosts.cloud.scan()).find(
      ({ pk, sk }) => pk === `MIG#${made.id}` && sk === "META",
    );
    if (sourceExit === undefined) expect(stored).not.toHaveProperty("sourceExit");
    else expect(stored).toMatchObject({ sourceExit });
    expect(await hosts.vmNow()).toMatchObject({ state: "migrating", lockedBy: made.id });
  });

  it("as a target that has not had it yet, changes nothing", async () => {
    await register(hosts.target, []);
    const made = await hosts.move();
    await register(hosts.target, [], true);
    expect(await interruptOf(made.id)).toBeUndefined();
  });

  it("as a target that ran it and has restarted, makes the VM failed when it ends", async () => {
    await register(hosts.target, others());
    const made = await hosts.move();
    await arrive(hosts.target, made);
    await register(hosts.target, others(), true);
    await complete({ migrationId: made.id });
    expect(await recordOf(made.id)).toMatchObject({
      status: "completed",
      endState: { state: "failed" },
    });
    expect(await hosts.vmNow()).toMatchObject({ state: "failed", host: "host-b" });
  });
});

it("a VM that has moved is a guest of its new host only", async () => {
  await register(hosts.target, others());
  const made = await hosts.move();
  await arrive(hosts.target, made);
  await complete({ migrationId: made.id });
  await register(hosts.source, others(), true);
  expect(await hosts.vmNow()).toMatchObject({ state: "running", host: "host-b" });
  await register(hosts.target, others(), true);
  expect(await hosts.vmNow()).toMatchObject({ state: "failed", host: "host-b" });
});

it("a registration that is refused changes nothing, and the next one is compared with the boot before", async () => {
  await register(hosts.source, others().concat(hosts.vm));
  boots += 1;
  const own = { ...facts, bootId: `boot-${boots}` };
  const guests = [...others(), "Not A Name"];
  const answer = await hosts.source.send("register", { host: "host-a", facts: own, guests });
  expect(answer).toMatchObject({ status: 422 });
  expect(await hosts.vmNow()).toMatchObject({ state: "running" });
  await register(hosts.source, others());
  expect(await hosts.vmNow()).toMatchObject({ state: "failed" });
});
