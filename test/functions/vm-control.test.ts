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
  await addVm("vm-1", agent);
});

afterAll(() => cloud.close());

async function commandOf(request: Promise<unknown>) {
  for (;;) {
    const [command] = await agent.take();
    if (command !== undefined) return command;
    await Promise.race([request, new Promise((resolve) => setImmediate(resolve))]);
  }
}

const reserved = async () =>
  (await cloud.scan()).find(({ pk, sk }) => pk === "HOST#host-a" && sk === "META")?.reservedBytes;

describe("an operation on a guest", () => {
  it.each([
    ["pause", "paused", "paused"],
    ["resume", "running", "running"],
    ["reset", "running", "running"],
    ["powerdown", "running", "running"],
  ])("%s is answered with what QEMU reports: %s", async (action, runState, state) => {
    const asking = operate("POST", `/v1/vms/vm-1/${action}`);
    const command = await commandOf(asking);
    expect(command).toMatchObject({
      verb: "guest.control",
      vm: "vm-1",
      epoch: 1,
      args: { action },
    });
    await agent.emit(
      { type: "guest.run-state", vm: command.vm, runState },
      { type: "command.completed", commandId: command.id, result: { runState } },
    );
    expect(await asking).toMatchObject({ status: 200, body: { state, runState } });
  });

  it("has the agent's words when it is refused", async () => {
    const asking = operate("POST", "/v1/vms/vm-1/resume");
    const { id: commandId } = await commandOf(asking);
    const error = { code: "qemu", message: "Resetting the Virtual Machine is required" } as const;
    await agent.emit({ type: "command.failed", commandId, error });
    const body = { code: "host-refused", reason: "qemu" };
    expect(await asking).toMatchObject({ status: 409, body });
  });

  it("is refused without a guest", async () => {
    expect(await operate("POST", "/v1/vms/vm-9/pause")).toMatchObject({ status: 404 });
    await operate("POST", "/v1/vms", { id: "vm-2", host: "host-a", definition });
    const starting = await operate("POST", "/v1/vms/vm-2/pause");
    expect(starting).toMatchObject({ status: 409, body: { code: "vm-without-guest" } });
    await agent.take();
  });
});

describe("another definition", () => {
  it("is the operator's once the host has proved it, with its memory", async () => {
    const before = Number(await reserved());
    const larger = { ...definition, memoryBytes: 2 * GiB };
    const change = { definition: larger, acceptDifferences: ["machine machine: vmport"] };
    const asking = operate("PATCH", "/v1/vms/vm-1", change);
    const command = await commandOf(asking);
    expect(command).toMatchObject({ verb: "guest.define", args: change });
    const comparison = {
      values: 1,
      differences: [],
      differencesTotal: 0,
      harmless: [],
      harmlessTotal: 0,
    };
    // A host does not decide what the definition is.
    const result = { definition: { ...larger, cpus: 7 }, comparison };
    await agent.emit({ type: "command.completed", commandId: command.id, result });
    expect(await asking).toMatchObject({ status: 200, body: { definition: { cpus: 1 } } });
    expect(await reserved()).toBe(before + GiB);
  });
});

describe("a guest that is given back", () => {
  it("leaves no record, and releases its memory, also when the answer is asked for again", async () => {
    const before = Number(await reserved());
    await addVm("vm-3", agent);
    const asking = operate("DELETE", "/v1/vms/vm-3?mode=detach");
    const { id: commandId } = await commandOf(asking);
    const error = { code: "not-found", message: "This host has no guest vm-3" } as const;
    await agent.emit({ type: "command.failed", commandId, error });
    expect(await asking).toMatchObject({ status: 204 });
    expect(await operate("GET", "/v1/vms/vm-3")).toMatchObject({ status: 404 });
    expect(await reserved()).toBe(before);
  });
});

describe("a VM that a migration holds", () => {
  it("is left alone", async () => {
    await addMigration("vm-1", "host-b");
    const requests = [
      ["POST", "/v1/vms/vm-1/pause"],
      ["POST", "/v1/vms/vm-1/resume"],
      ["PATCH", "/v1/vms/vm-1", { definition }],
      ["DELETE", "/v1/vms/vm-1?mode=detach"],
    ] as const;
    for (const [method, path, body] of requests) {
      const refused = await operate(method, path, body);
      expect(refused).toMatchObject({ status: 409, body: { code: "vm-locked" } });
    }
  });
});
