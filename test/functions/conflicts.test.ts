import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { smallDefinition } from "./testing/fixtures.ts";
import { type Answer, addHost, addVm, operate } from "./testing/fleet.ts";
import { interceptTable } from "./testing/intercept-table.ts";

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
  const source = await addHost("host-a");
  await addHost("host-b");
  await addVm("vm-1", source, smallDefinition);
});
afterAll(() => cloud?.close());

const writes = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"];
const receiver = { url: "https://hooks.example.com/a" };
const spring = { from: "2900-03-01T00:00", until: "2900-03-02T00:00", zone: "UTC", owner: "ada" };

/** Does a request while another one comes first before each of its writes. */
async function race(
  request: () => Promise<Answer>,
  rival: (time: number) => Promise<Answer>,
): Promise<{ lost: Answer; rivals: number }> {
  let rivals = 0;
  const end = interceptTable(async (operation) => {
    if (!writes.includes(operation)) return;
    rivals += 1;
    const { status, body } = await rival(rivals);
    if (status >= 300) throw new Error(`The rival was refused: ${JSON.stringify(body)}`);
  });
  const lost = await request().finally(end);
  return { lost, rivals };
}

type Do = (label: string) => Promise<Answer>;
const labelHost: Do = (rack) => operate("PATCH", "/v1/hosts/host-b", { labels: { rack } });
const labelVm: Do = (rack) => operate("PATCH", "/v1/vms/vm-1", { labels: { rack } });
const migrate: Do = () => operate("POST", "/v1/migrations", { vm: "vm-1", target: "host-b" });

describe("a request that others are faster than each time gives up, has changed nothing,", () => {
  it.each<[code: string, what: string, request: Do, rival: Do]>([
    ["host-changed", "host host-b", labelHost, labelHost],
    ["vm-changed", "VM vm-1", labelVm, labelVm],
    ["vm-changed", "VM vm-1", migrate, labelVm],
  ])("and says %s: others are changing %s", async (code, what, request, rival) => {
    const { lost, rivals } = await race(
      () => request(`wish for ${what}`),
      (time) => rival(`${what} ${time}`),
    );
    expect(lost).toMatchObject({ status: 409, body: { code } });
    expect(lost.body.detail).toContain(`Other requests are changing ${what}`);
    expect(lost.body.detail).toContain("try again");
    // It has tried more than once, and not for ever.
    expect(rivals).toBeGreaterThan(2);
    expect(rivals).toBeLessThan(20);
    expect(JSON.stringify(await cloud.scan())).not.toContain(`wish for ${what}`);
    expect((await operate("GET", "/v1/migrations")).body.items).toEqual([]);
    expect((await request("done")).status).toBeLessThan(300);
  });
});

describe("of two requests that change one list of the fleet at once, over and over,", () => {
  it("one that changes a webhook says webhooks-changed", async () => {
    const { body } = await operate("POST", "/v1/webhooks", receiver);
    const { id } = body.webhook as { id: string };
    const path = `/v1/webhooks/${id}`;
    const change = (message: string) => operate("PATCH", path, { message });
    const { lost } = await race(
      () => change("mine"),
      (time) => change(`${time}`),
    );
    expect(lost).toMatchObject({ status: 409, body: { code: "webhooks-changed" } });
    expect((await operate("GET", path)).body.message).not.toBe("mine");
    expect((await change("mine")).body).toMatchObject({ message: "mine" });
    const other = await race(
      () => operate("POST", `${path}/rotate-secret`),
      () => operate("POST", `${path}/rotate-secret`),
    );
    expect(other.lost).toMatchObject({ status: 409, body: { code: "webhooks-changed" } });
  });

  it("one that adds a change freeze says freezes-changed, and none is there twice", async () => {
    const add = () => operate("POST", "/v1/change-freezes", spring);
    const { lost, rivals } = await race(add, add);
    expect(lost).toMatchObject({ status: 409, body: { code: "freezes-changed" } });
    expect((await operate("GET", "/v1/change-freezes")).body.items).toHaveLength(rivals);
  });
});
