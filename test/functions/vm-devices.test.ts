import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./testing/fleet.ts";

let cloud: TestCloud;
let agent: TestAgent;

const cd = (name: string) => ({ driver: "file", "node-name": name, filename: `/srv/${name}.iso` });
const given = {
  ...definition,
  blockdevs: [...definition.blockdevs, cd("disc-1")],
  devices: [...definition.devices, { driver: "ide-cd", id: "cd0", drive: "disc-1" }],
};
const comparison = {
  values: 1,
  differences: [],
  differencesTotal: 0,
  harmless: [],
  harmlessTotal: 0,
};

beforeAll(async () => {
  cloud = await startTestCloud();
  agent = await addHost("host-a");
  await addHost("host-b");
  await addVm("vm-1", agent, given);
});
afterAll(() => cloud.close());

/** Answers the one command that a request leads to, once `meanwhile` has happened. */
async function respond(
  request: Promise<{ status: number; body: Record<string, unknown> }>,
  meanwhile: () => Promise<unknown> = async () => undefined,
) {
  for (;;) {
    const [command] = await agent.take();
    if (command === undefined) {
      await Promise.race([request, new Promise((resolve) => setImmediate(resolve))]);
      continue;
    }
    const addresses = { nic1: { bus: "pci.0", addr: "05.0" }, nic9: { bus: "x", addr: "01.0" } };
    const result = { addresses, comparison };
    await meanwhile();
    await agent.emit({ type: "command.completed", commandId: command.id, result });
    return { command, answer: await request };
  }
}

describe("a change of a guest that runs", () => {
  it("is a new definition for its host, and is stored when that has proved it", async () => {
    const other = operate("PUT", "/v1/vms/vm-1/devices/cd0/medium", { blockdev: cd("disc-2") });
    const inserted = await respond(other);
    const drive = { driver: "ide-cd", id: "cd0", drive: "disc-2" };
    expect(inserted.command).toMatchObject({
      verb: "guest.change",
      epoch: 1,
      args: { force: false, definition: { devices: [...definition.devices, drive] } },
    });
    expect(inserted.answer).toMatchObject({
      status: 200,
      body: { definition: { blockdevs: [...definition.blockdevs, cd("disc-2")] } },
    });
    const ejected = await respond(operate("DELETE", "/v1/vms/vm-1/devices/cd0/medium?force=true"));
    expect(ejected.command.args).toMatchObject({ force: true });
    expect(ejected.answer.body.definition).toMatchObject({ blockdevs: definition.blockdevs });
  });

  it("takes of the answer only where QEMU has put devices that are there", async () => {
    const device = { driver: "e1000", id: "nic1", netdev: "net1" };
    const netdevs = [{ type: "user", id: "net1" }];
    const plugging = operate("POST", "/v1/vms/vm-1/devices", { device, netdevs });
    const { answer } = await respond(plugging);
    const expected = [
      ...definition.devices,
      { driver: "ide-cd", id: "cd0" },
      { ...device, bus: "pci.0", addr: "05.0" },
    ];
    expect(answer.body.definition).toMatchObject({ devices: expected, netdevs });
    const unplugged = await respond(operate("DELETE", "/v1/vms/vm-1/devices/nic1"));
    expect(unplugged.answer.body.definition).toMatchObject({ netdevs: [] });
  });

  it("is not recorded when a migration takes the VM meanwhile; repeated afterwards, it is", async () => {
    const device = { driver: "e1000", id: "nic1", netdev: "net1" };
    const wish = { device, netdevs: [{ type: "user", id: "net1" }] };
    const plug = () => operate("POST", "/v1/vms/vm-1/devices", wish);
    let id = "";
    const begin = async () => {
      ({ id } = await addMigration("vm-1", "host-b"));
    };
    const { answer } = await respond(plug(), begin);
    expect(answer).toMatchObject({ status: 409, body: { code: "vm-changed" } });
    expect(answer.body.detail).toContain("read it, then try again");
    const { body } = await operate("GET", "/v1/vms/vm-1");
    expect(JSON.stringify(body.definition)).not.toContain("nic1");
    const reason = "of this test";
    await endMigration({ migrationId: id, action: "end", reason, error: "Test" });
    const again = await respond(plug());
    expect(again.command).toMatchObject({ verb: "guest.change", epoch: 2 });
    expect(JSON.stringify(again.answer.body.definition)).toContain("nic1");
    await respond(operate("DELETE", "/v1/vms/vm-1/devices/nic1"));
  });

  it("is refused before the host is asked when it does not fit", async () => {
    const unknown = await operate("DELETE", "/v1/vms/vm-1/devices/nic7");
    expect(unknown).toMatchObject({ status: 404, body: { code: "device-not-found" } });
    const device = { driver: "e1000", id: "nic1", netdev: "net7" };
    const wrong = await operate("POST", "/v1/vms/vm-1/devices", { device });
    expect(wrong).toMatchObject({ status: 422, body: { code: "invalid" } });
    expect(wrong.body.detail).toContain("expected an `id` in `netdevs`, got net7");
    const nameless = await operate("POST", "/v1/vms/vm-1/devices", { device: { driver: "e1000" } });
    expect(nameless).toMatchObject({ status: 422 });
    expect(await agent.take()).toEqual([]);
  });

  it("is refused while a migration holds the VM", async () => {
    await addMigration("vm-1", "host-b");
    const refused = await operate("DELETE", "/v1/vms/vm-1/devices/cd0/medium");
    expect(refused).toMatchObject({ status: 409, body: { code: "vm-locked" } });
  });
});
